"""Chapter 11: each context runs as its own processes, and knows only a URL and a token of the other."""

import time

from django.conf import settings
from django.db import connections

from billing.models import Invoice
from messaging.events.text import plural
from users.models import User
from users.services import user_suspend
from walkthrough.control import reset, separate_contexts
from walkthrough.observe import facts
from walkthrough.scenarios import one_database
from walkthrough.scenarios.one_database import APART, TOGETHER
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Ran

API, WEB, TEND = "users-api", "billing-web", "billing-tend"
#: Everything of users that billing could notice: the API, and the relay that sends events and heartbeats.
USERS = (API, "relay-users")
#: Seconds that a migration on users takes: many times what a process of billing needs to start and to invoice.
MIGRATION = 8.0
#: Makes a process of billing print its databases.
LOOK = "from django.conf import settings; print(*settings.DATABASES)"
PATHS = ("/api/users/contracts/", "/api/billing/contracts/")
#: Three users sign up; each event commits with its user.
SIGN_UP = """
from accounts.events import AccountChanged
from django.contrib.auth.models import User
from django.db import transaction
from messaging.publisher import record
for name in ("ada", "bob", "cleo"):
    with transaction.atomic():
        user = User.objects.create_user(name)
        record(AccountChanged(active=user.is_active), subject=user.pk, using="default")
"""
TOGETHER_ROWS = [(table, "3", "–") for table in ("auth_user", "published", "messaging_ledger", "billing_account")]
#: Seconds: an age that billing's copy soon exceeds when users is away.
SOON = 3


def starts(stage: Stage) -> None:
    reset.reset(copied=False)
    stage.start(TEND)
    separate_contexts.start(stage, API, WEB)
    stage.check("Billing's copy is empty", not facts.copies(), plural(facts.copies(), "row"))


def setting(stage: Stage) -> None:
    def manage(*words: str) -> Ran:
        environment = {"DJANGO_SETTINGS_MODULE": "shop.settings", "SHOP_BROKER_URL": "memory://"}
        return stage.quietly(*words, environment={**environment, "BILLING_DATABASE": str(project / APART)}, project=project)

    def where() -> list[tuple[str, ...]]:
        found = {name: one_database.counted(project / name) for name in (TOGETHER, APART)}
        return [(table, *(str(found[name].get(table, "–")) for name in found)) for table in found[TOGETHER]]

    head = ("table", TOGETHER, APART)
    with one_database.made() as project:
        for words in (("makemigrations", "billing"), ("migrate",), ("shell", "-v", "0", "-c", SIGN_UP)):
            manage(*words)
        manage("consumers", "register", "billing", "--to", "accounts")
        ran = manage("bootstrap", "billing", "--from", "accounts")
        rows = where()
        stage.rows("Rows in a new Django project, by database", head, rows)
        stage.check("Users, events, ledger and copy are in one database", ran.code == 0 and rows == TOGETHER_ROWS, ran.last)
        one_database.add_settings(project, "moved.txt")
        manage("migrate", "--database", "billing")
        manage("consumers", "open", "billing", "--to", "accounts", "--ttl", "1h")
        ran = manage("bootstrap", "billing", "--from", "accounts")
        rows = where()
        stage.rows("After the setting was changed", head, rows)
        stage.check("Billing's copy is in its own database, with the same code", ran.code == 0 and rows[-1][2] == "3", ran.last)


def strangers(stage: Stage) -> None:
    stage.rows("Databases", ("context", "database"), [(name, _place(name)) for name in settings.CONTEXT_NAMES])
    places = {_place(name) for name in settings.CONTEXT_NAMES}
    stage.check("Each context has its own database", len(places) == len(settings.CONTEXT_NAMES), plural(len(places), "database"))
    asked = [
        (name, path, separate_contexts.status(f"{separate_contexts.address(name)}{path}")) for name in (API, WEB) for path in PATHS
    ]
    stage.rows("Answers", ("process", "path", "HTTP status"), asked)
    answers = [status for _, _, status in asked]
    stage.check("Each process answers only for its own context", answers == [200, 404, 404, 200])
    known = _billing(stage, "shell", "-v", "0", "-c", LOOK)
    stage.check("Billing's process knows only its own database and Django's", known.last == "default billing")
    ran = _billing(stage, "showmigrations", "users")
    stage.check("The app `users` isn't installed in it", ran.code != 0 and "No installed app" in ran.output)


def seed(stage: Stage) -> None:
    ran = _billing(stage, "bootstrap", "billing", "--from", "users", shown=False, USERS_API_TOKEN="found-in-a-chat")  # noqa: S106
    stage.check("An invalid token is refused", ran.code == 3, f"exit code {ran.code}")
    ran = _billing(stage, "bootstrap", "billing", "--from", "users")
    stage.check("With its own token, billing fills its copy over HTTP", ran.code == 0 and facts.agree(), facts.in_words())
    ran = _billing(stage, "generate_invoices", "--period", facts.month(), "--json", shown=False)
    stage.check(
        "Its own process creates the invoices", ran.code == 0 and ran.json["issued"] == _active(), f"{ran.json['issued']} issued"
    )


def migrate(stage: Stage) -> None:
    with stage.beside("long_migration", "users", "--seconds", f"{MIGRATION:g}", begun="is being altered"):
        began = time.perf_counter()
        ran = _billing(stage, "generate_invoices", "--period", facts.month(1), "--json", shown=False)
        took = time.perf_counter() - began
    locked = (
        "the users database for other writers" if connections["users"].vendor == "sqlite" else "its table in the users database"
    )
    stage.say(f"The migration locked {locked}.")
    stage.check(
        "A long migration on users doesn't stop billing",
        ran.code == 0 and ran.json["issued"] == _active() and took < MIGRATION - 1,
        f"{ran.json['issued']} issued within {took:.1f} s, with the start of the process",
    )
    stage.outcome(before=ran.code == 0 and took < MIGRATION, after=ran.code == 0 and took >= MIGRATION, fails=ran.code != 0)


def away(stage: Stage) -> None:
    stage.stop(*USERS)
    someone = facts.active(1)[0]
    user_suspend(user_id=someone.pk, reason="while nobody listened")
    stage.say(f"{someone.name} is suspended.")
    answer = separate_contexts.status(f"{separate_contexts.address(API)}/api/schema/")
    stage.check("The users context doesn't answer", answer == 0, f"HTTP status {answer}" if answer else "no answer")
    stage.check("Billing's web server answers", separate_contexts.answers(WEB), separate_contexts.address(WEB))
    ran = _billing(stage, "generate_invoices", "--period", facts.month(2), "--json", shown=False)
    stage.check("Billing creates invoices from its copy", ran.code == 0 and ran.json["issued"] > 0, f"{ran.json['issued']} issued")
    wrong = Invoice.objects.using("billing").filter(user_id=someone.pk, period=facts.month(2)).exists()
    stage.fault(f"{someone.name} is suspended and got an invoice", wrong)
    stage.outcome(nobody=ran.json["issued"] == 0, right=ran.json["issued"] > 0 and not wrong, wrong=wrong)
    stage.eventually("The copy gets old, and billing knows its age", lambda: facts.age() > SOON, lambda: f"{facts.age():.0f} s old")
    held = _billing(stage, "generate_invoices", "--period", facts.month(3), "--max-staleness", f"{SOON}s", "--json", shown=False)
    stage.check(
        f"A run that accepts an age of {SOON} seconds holds every user",
        held.code == 3 and held.json["issued"] == 0,
        f"exit code {held.code}",
    )


def back(stage: Stage) -> None:
    stage.start(*USERS)
    separate_contexts.start(stage, API)
    stage.eventually("The copy is equal again", facts.agree, facts.in_words)
    ran = _billing(stage, "reconcile", "billing", "--from", "users", shown=False)
    stage.check("`reconcile` over HTTP finds no difference", ran.code == 0, ran.last)
    flagged = facts.flagged(facts.month(2))
    stage.check("The wrong invoice is flagged for review", flagged == 1, f"{flagged} flagged")


def _billing(stage: Stage, *arguments: str, shown: bool = True, **more: str) -> Ran:
    """Run a command in billing's own process, as on a machine that has nothing else."""
    run = stage.manage if shown else stage.quietly
    return run(*arguments, environment={"CONTEXTS": "billing", "USERS_API_URL": separate_contexts.address(API), **more})


def _place(context: str) -> str:
    database = settings.DATABASES[context]
    name = str(database["NAME"]).rpartition("/")[2]
    return f"{name} at {database['HOST']}:{database['PORT'] or 5432}" if database.get("HOST") else name


def _active() -> int:
    return User.objects.using("users").filter(status=User.Status.ACTIVE).count()


STEPS = {
    "setting": Act(setting),
    "strangers": Act(strangers),
    "seed": Act(seed),
    "migrate": Act(migrate, Kind.BREAK),
    "away": Act(away, Kind.BREAK),
    "back": Act(back, Kind.MEND),
}
