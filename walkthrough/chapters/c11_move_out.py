"""Chapter 11: move out. Each context runs as processes of its own, on its own database, and knows of the other a URL and a token."""

import time

from django.conf import settings
from django.db import connections

from messaging.texts import plural
from users.models import User
from users.services import user_suspend
from walkthrough import apart, facts, resetting
from walkthrough.chapter import Advice, Chapter, Kind, Listing, Step, TradeOff, Window
from walkthrough.record import Ran
from walkthrough.stage import Stage

API, WEB, TEND = "users-api", "billing-web", "billing-tend"
#: Everything of users that billing could notice: the API, and the relay that sends events and heartbeats.
USERS = (API, "relay-users")
#: Seconds that a migration on users takes: many times what a process of billing needs to start and to invoice.
MIGRATION = 8.0
#: What a process of billing prints about itself.
LOOK = "from django.conf import settings; print(*settings.DATABASES)"
PATHS = ("/api/users/contracts/", "/api/billing/contracts/")
#: An age that billing's copy has soon when users is away.
SOON = "3s"


def starts(stage: Stage) -> None:
    resetting.reset(copied=False)
    stage.programs.stop("tend-billing")
    stage.programs.start(TEND)
    apart.start(stage, API, WEB)
    stage.check("Billing is new there: it has no copy of anybody", not facts.copies(), f"{plural(facts.copies(), 'user')} known")


def strangers(stage: Stage) -> None:
    stage.rows("Who is where", ("context", "database"), [(name, _place(name)) for name in settings.CONTEXT_NAMES])
    places = {_place(name) for name in settings.CONTEXT_NAMES}
    stage.check(
        "Every context has a database of its own", len(places) == len(settings.CONTEXT_NAMES), plural(len(places), "database")
    )
    asked = [(name, path, apart.status(f"{apart.address(name)}{path}")) for name in (API, WEB) for path in PATHS]
    stage.rows("Who answers what", ("process", "path", "HTTP status"), asked)
    answers = [status for _, _, status in asked]
    stage.check("Each answers for itself alone", answers == [200, 404, 404, 200], ", ".join(map(str, answers)))
    known = _billing(stage, "shell", "-v", "0", "-c", LOOK)
    stage.check("Billing's process knows its own database and Django's", "default billing" in known.output, known.last)
    ran = _billing(stage, "showmigrations", "users")
    stage.check("Users isn't installed in it: no models, no tables", ran.code != 0 and "No installed app" in ran.output, ran.last)


def seed(stage: Stage) -> None:
    ran = _billing(stage, "bootstrap", "billing", "--from", "users", USERS_API_TOKEN="found-in-a-chat")  # noqa: S106
    stage.check("With a token that isn't one: refused", ran.code == 3, f"exit code {ran.code}")
    ran = _billing(stage, "bootstrap", "billing", "--from", "users")
    stage.check("With its own, billing is seeded over HTTP", ran.code == 0 and facts.agree(), facts.in_words())
    ran = _billing(stage, "generate_invoices", "--period", facts.month(), "--json")
    stage.check(
        "And invoices, from its own process", ran.code == 0 and ran.json["issued"] == _active(), f"{ran.json['issued']} issued"
    )


def migrate(stage: Stage) -> None:
    with stage.beside("long_migration", "users", "--seconds", f"{MIGRATION:g}", begun="is being altered"):
        began = time.perf_counter()
        ran = _billing(stage, "generate_invoices", "--period", facts.month(1), "--json")
        took = time.perf_counter() - began
    locked = "the whole file" if connections["users"].vendor == "sqlite" else "the altered table"
    stage.say(f"The migration held {locked} in the database of users for {MIGRATION:g} seconds. Billing's is another database.")
    stage.check(
        "A long migration on users is none of billing's business",
        ran.code == 0 and ran.json["issued"] == _active() and took < MIGRATION - 1,
        f"{ran.json['issued']} issued within {took:.1f} s, start of the process and all",
    )


def away(stage: Stage) -> None:
    stage.programs.stop(*USERS)
    someone = facts.active(1)[0]
    user_suspend(user_id=someone.pk, reason="while nobody listened")
    stage.say(f"The API of users is gone, and its relay. {someone.name} is suspended now, and no event leaves.")
    answer = apart.status(f"{apart.address(API)}/api/schema/")
    stage.check("Users doesn't answer", answer == 0, f"HTTP status {answer}" if answer else "nobody answers")
    stage.check("Billing's web server does", apart.answers(WEB), apart.address(WEB))
    ran = _billing(stage, "generate_invoices", "--period", facts.month(2), "--json")
    stage.check("And billing invoices, by its copy", ran.code == 0 and ran.json["issued"] > 0, f"{ran.json['issued']} issued")
    stage.eventually(
        "The copy grows older, and billing knows", lambda: facts.age() > float(SOON[:-1]), lambda: f"{facts.age():.0f} s old"
    )
    held = _billing(stage, "generate_invoices", "--period", facts.month(3), "--max-staleness", SOON, "--json")
    stage.check("Where a decision accepts less, it is held", held.code == 3 and held.json["issued"] == 0, f"exit code {held.code}")


def back(stage: Stage) -> None:
    stage.programs.start(*USERS)
    apart.start(stage, API)
    stage.eventually("The copy agrees with users again", facts.agree, facts.in_words)
    ran = _billing(stage, "reconcile", "billing", "--from", "users")
    stage.check("Fingerprints say so too, over HTTP", ran.code == 0, ran.last)
    flagged = facts.flagged(facts.month(2))
    stage.check("The invoice that should not have been is flagged for a person", flagged == 1, f"{flagged} flagged")


def _billing(stage: Stage, *arguments: str, **more: str) -> Ran:
    """A command in billing's own process, as on a machine where there is nothing else."""
    return stage.manage(*arguments, environment={"CONTEXTS": "billing", "USERS_API_URL": apart.address(API), **more})


def _place(context: str) -> str:
    database = settings.DATABASES[context]
    name = str(database["NAME"]).rpartition("/")[2]
    return f"{name} at {database['HOST']}:{database['PORT'] or 5432}" if database.get("HOST") else name


def _active() -> int:
    return User.objects.using("users").filter(status=User.Status.ACTIVE).count()


CHAPTER = Chapter(
    number=11,
    slug="move-out",
    title="Move out",
    question="When may a context become a program of its own?",
    situation="""
Users and billing have their own tables, and everything between them goes by events, a feed and an API. Up to here all of it may run in
one process, deployed by one team. Now billing wants its own release, its own machine, and its own bad days.
""",
    change="""
`CONTEXTS=billing` starts a process that *is* billing: its app, its database, its URLs, its admin. Users is not installed, so none
of its models can be loaded. `USERS_API_URL` and a token are all it knows of the other side. Nothing in the code of either context
changes, which is the test of the chapters before: had anything crossed the line, it would break now. Two things are still shared here:
Django's own database (`DATABASE_URL`) and the worker. Give each program its own.
""",
    still_wrong="""
Two programs are two of everything: releases, logs, backups, alarms, and somebody on call for the queue between them. That is the price,
and it is paid every month; one process with clear lines is a good place to stay. What is left is a question that the first chapters put
off: if both sides have a row about a user, [where is the truth](12)?
""",
    starts=starts,
    steps=(
        Step("strangers", "See who knows what", "Databases, URLs and models, as each process has them.", strangers),
        Step(
            "seed",
            "Seed billing over HTTP",
            "First with a token that somebody made up, then with billing's own. Then it invoices.",
            seed,
        ),
        Step(
            "migrate",
            "Run the long migration again",
            "The one that stopped all invoices in the monolith, now on the database of users.",
            migrate,
            Kind.BREAK,
        ),
        Step("away", "Take users away", "Its API and its relay are stopped. Billing has work to do.", away, Kind.BREAK),
        Step("back", "Bring users back", "What happened meanwhile arrives, and late is noted as late.", back, Kind.MEND),
    ),
    listings=(
        Listing("config/contexts.py", "chosen", "Which contexts a process is."),
        Listing("config/programs.py", "apart", "This chapter's processes, as the supervisor starts them."),
        Listing("config/apis.py", "url", "All that one side knows of the other's whereabouts."),
    ),
    trade_offs=(
        TradeOff(
            "A process for each context",
            "Released and restarted alone; one's bad day is its own",
            "Two deployments, and versions that meet in any mixture",
        ),
        TradeOff(
            "A database server for each",
            "Own backups, own upgrades, own load",
            "More to run; no restore that fits both to the same second",
        ),
        TradeOff(
            "Stay in one process, with the line",
            "One thing to run, same code",
            "One release for both, and discipline instead of a wall",
        ),
    ),
    advice=(
        Advice(
            "PostgreSQL, Redis, RabbitMQ",
            "Each by a URL alone; the databases must exist. Give each context a login that may connect to its own database only (`REVOKE CONNECT ON DATABASE users FROM PUBLIC`, then `GRANT CONNECT ON DATABASE users TO users`): then the wall is real, whatever the code tries.",
            (
                "CONTEXTS=billing BILLING_DATABASE_URL=postgres://billing:secret@db:5432/billing manage.py migrate --database billing",
                "CONTEXTS=billing CELERY_BROKER_URL=amqp://billing:secret@broker:5672// celery -A config worker -Q billing -n billing@%h",
            ),
        ),
        Advice(
            "Sessions and logins, when `AUTH_USER_MODEL` stays behind",
            "The new program needs to know who is asking, and not the table. Let a proxy or a token say it, and keep Django's own user table for its admin's few people.",
        ),
        Advice(
            "One settings module with `if` for each deployment",
            "Let one variable say which contexts a process is, and derive the apps, databases, URLs and queues from it. Start each in your build, alone, with the other side's database missing.",
            ("CONTEXTS=billing manage.py check", "CONTEXTS=users manage.py check"),
        ),
        Advice(
            "Celery tasks in one pool",
            "A queue for each context and workers that take only theirs. A task's name is a contract as soon as another program sends it.",
            ("CONTEXTS=billing celery -A config worker -Q billing -n billing@%h",),
        ),
    ),
    windows=(
        Window("Who may read from users", "admin:users_consumer_changelist"),
        Window("Invoices that a person should look at", "admin:billing_invoice_changelist"),
    ),
)
