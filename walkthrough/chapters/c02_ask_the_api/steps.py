"""Chapter 2: split the database, ask the API. Billing has a database of its own, and asks users about everybody it invoices."""

import io
from collections.abc import Iterable
from uuid import UUID

from django.core.management import call_command

from billing.models import Invoice
from billing.services import invoices_generate
from messaging.events.text import plural
from users.models import User
from walkthrough.control import reset, separate_contexts
from walkthrough.observe import facts
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Ran

API = "users-api"
#: How many users join in the second step, and what a real team has: for the sum that nobody wants to wait for.
MORE, REAL = 24, 50_000
COLUMNS = ("users whom billing knows", "calls", "seconds", "ms a call", f"{REAL:,} users would take")


def starts(stage: Stage) -> None:
    reset.reset(copied=False)
    stage.processes.stop("tend-billing")  # or the feed would fill a copy of users, which this chapter doesn't have yet
    _by_the_old_way(-1)
    stage.say("Billing has last month's invoices, so it knows whose they are. What these users may do now, only users can tell.")
    stage.check(
        "It has no copy of users",
        facts.copies() == 0,
        f"{plural(facts.copies(), 'row')}; {plural(_known(), 'user')} by their invoices",
    )
    separate_contexts.start(stage, API)
    ran = stage.manage("cutover", "billing", "--to", "api")
    stage.check("Billing reads users from that API", ran.code == 0, ran.last)


def run(stage: Stage) -> None:
    known, found = _known(), _generate(stage, 0)
    calls = found.json["calls"]
    stage.notes["few"], stage.notes["known"] = _measured(known, found), known
    stage.rows("What it cost", COLUMNS, [stage.notes["few"]])
    stage.check(
        "Everybody active has an invoice", found.code == 0 and found.json["issued"] == _active(), f"{found.json['issued']} issued"
    )
    stage.check(
        "It took a call for each user whom billing knows", calls == known, f"{plural(calls, 'call')} for {plural(known, 'user')}"
    )


def more(stage: Stage) -> None:
    before = set(_ids())
    for command in ("seed", "seed_monolith"):  # the same people, as everywhere
        call_command(command, "--users", str(MORE), "--random-seed", "2", stdout=io.StringIO())
    joined = set(_ids()) - before
    found, known = _generate(stage, 1), stage.notes["known"]
    invoiced = Invoice.objects.using("billing").filter(user_id__in=joined).count()
    stage.check(
        "Who joined isn't asked about: nobody told billing",
        len(joined) == MORE and found.json["calls"] == known and invoiced == 0,
        f"{MORE} joined; {plural(found.json['calls'], 'call')} for {plural(known, 'user')} as before, "
        f"{plural(invoiced, 'invoice')} for the new ones",
    )
    _by_the_old_way(1)
    call_command("cutover", "billing", "--to", "api", stdout=io.StringIO())
    stage.say("The monolith has a list of everybody. So somebody lets it invoice the new ones once, and now billing knows them.")
    known, found = _known(), _generate(stage, 2)
    stage.notes["calls"], stage.notes["seconds"] = found.json["calls"], found.json["seconds"]
    stage.rows("The next month", COLUMNS, [stage.notes["few"], _measured(known, found)])
    stage.check(
        "Calls grow with the users whom billing knows",
        found.json["calls"] == known == stage.notes["known"] + MORE,
        f"{plural(found.json['calls'], 'call')} for {plural(known, 'user')}",
    )


def slow(stage: Stage) -> None:
    stage.say("The API is not down. Its machine has too much to do, and gives it a moment now and then.")
    with stage.processes.throttled(API):
        found = _generate(stage, 3)
    before, after = stage.notes["seconds"], found.json["seconds"]
    stage.rows("The same run", COLUMNS, [_measured(stage.notes["calls"], found)])
    stage.check(
        "What makes one call slow makes the whole run slow, as many times as there are users",
        found.code == 0 and after > 1.5 * before,
        f"{after:.1f} s instead of {before:.1f} s",
    )


def down(stage: Stage) -> None:
    stage.processes.stop(API)
    found = _generate(stage, 4)
    stage.check("Billing refuses to invoice", found.code == 3, f"exit code {found.code}")
    stage.check(
        "Not one invoice is issued",
        found.json["issued"] == 0 and not Invoice.objects.using("billing").filter(period=facts.month(4)).exists(),
        f"{found.json['issued']} issued, {found.json['held']} held",
    )
    kept = Invoice.objects.using("billing").count()
    stage.check("Billing's own database was there all the time", kept > 0, f"it has {plural(kept, 'invoice')}")


def again(stage: Stage) -> None:
    separate_contexts.start(stage, API)
    found = _generate(stage, 4)
    stage.check(
        "Billing works when users does", found.code == 0 and found.json["issued"] == _active(), f"{found.json['issued']} issued"
    )


def _generate(stage: Stage, ahead: int) -> Ran:
    """A run that asks the API; its outcome is in `json`."""
    where = {"USERS_API_URL": separate_contexts.address(API)}
    return stage.manage("generate_invoices", "--period", facts.month(ahead), "--json", environment=where)


def _by_the_old_way(ahead: int) -> None:
    """A month's invoices by the monolith's list; billing reads from there afterwards."""
    call_command("cutover", "billing", "--to", "monolith", stdout=io.StringIO())
    invoices_generate(period=facts.month(ahead))


def _known() -> int:
    """Users whom billing has invoiced. It has heard of nobody else."""
    return Invoice.objects.using("billing").values("user_id").distinct().count()


def _ids() -> Iterable[UUID]:
    return User.objects.using("users").values_list("pk", flat=True)


def _measured(known: int, ran: Ran) -> tuple[str, ...]:
    calls, seconds = ran.json["calls"], ran.json["seconds"]
    each = seconds / calls
    return str(known), str(calls), f"{seconds:.2f}", f"{each * 1000:.1f}", f"{each * REAL / 60:.0f} min"


def _active() -> int:
    return User.objects.using("users").filter(status=User.Status.ACTIVE).count()


STEPS = {
    "run": Act(run),
    "more": Act(more),
    "slow": Act(slow, Kind.BREAK),
    "down": Act(down, Kind.BREAK),
    "again": Act(again, Kind.MEND),
}
