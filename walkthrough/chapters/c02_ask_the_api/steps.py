"""Chapter 2: split the database, ask the API. Billing has its own database, and asks users about each user that it invoices."""

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
#: How many users join in the second step, and how many a real team has.
MORE, REAL = 24, 50_000
COLUMNS = ("users known to billing", "calls", "seconds", "ms per call", f"{REAL:,} users would take")


def starts(stage: Stage) -> None:
    reset.reset(copied=False)
    _by_the_old_way(-1)
    stage.check(
        "Billing has no copy of users; it knows only the users on last month's invoices",
        facts.copies() == 0,
        f"{plural(facts.copies(), 'row')}, {plural(_known(), 'user')}",
    )
    separate_contexts.start(stage, API)
    ran = stage.manage("cutover", "billing", "--to", "api")
    stage.check("Billing asks this API", ran.code == 0)


def run(stage: Stage) -> None:
    known, found = _known(), _generate(stage, 0)
    calls = found.json["calls"]
    stage.notes["few"], stage.notes["known"] = _measured(known, found), known
    stage.rows("What it cost", COLUMNS, [stage.notes["few"]])
    stage.check(
        "Every active user has an invoice", found.code == 0 and found.json["issued"] == _active(), f"{found.json['issued']} issued"
    )
    stage.check("It took one call for each user that billing knows", calls == known)


def more(stage: Stage) -> None:
    before = set(_ids())
    for command in ("seed", "seed_monolith"):  # the same people, as everywhere
        call_command(command, "--users", str(MORE), "--random-seed", "2", stdout=io.StringIO())
    joined = set(_ids()) - before
    found, known = _generate(stage, 1), stage.notes["known"]
    invoiced = Invoice.objects.using("billing").filter(user_id__in=joined).count()
    stage.fault(
        "The new users get no invoice: billing doesn't know them",
        len(joined) == MORE and found.json["calls"] == known and invoiced == 0,
        f"{MORE} joined; {plural(found.json['calls'], 'call')} as before, {plural(invoiced, 'invoice')} for them",
    )
    stage.outcome(all=invoiced == MORE, some=0 < invoiced < MORE, none=invoiced == 0)
    _by_the_old_way(1)
    call_command("cutover", "billing", "--to", "api", stdout=io.StringIO())
    stage.say("Billing reads the monolith's list of all users once and invoices them, so now it knows the new ones.")
    known, found = _known(), _generate(stage, 2)
    stage.notes["calls"], stage.notes["seconds"] = found.json["calls"], found.json["seconds"]
    stage.rows("The next month", COLUMNS, [stage.notes["few"], _measured(known, found)])
    stage.check(
        "The calls grow with the users that billing knows",
        found.json["calls"] == known == stage.notes["known"] + MORE,
    )


def slow(stage: Stage) -> None:
    with stage.processes.throttled(API):
        found = _generate(stage, 3)
    before, after = stage.notes["seconds"], found.json["seconds"]
    stage.fault(
        "Every call is slow, so the run is slow",
        found.code == 0 and after > 1.5 * before,
        f"{after:.1f} s instead of {before:.1f} s; {COLUMNS[-1]} {_measured(stage.notes['calls'], found)[-1]}",
    )
    stage.outcome(same=after < 2 * before, more=2 * before <= after <= 10 * before, much=after > 10 * before)


def down(stage: Stage) -> None:
    stage.stop(API)
    found = _generate(stage, 4)
    stage.fault("Billing refuses to invoice", found.code == 3)
    stage.fault(
        "No invoice is issued",
        found.json["issued"] == 0 and not Invoice.objects.using("billing").filter(period=facts.month(4)).exists(),
        f"{found.json['issued']} issued, {found.json['held']} held",
    )
    issued = found.json["issued"]
    stage.outcome(all=issued == _active(), some=0 < issued < _active(), none=issued == 0)
    kept = Invoice.objects.using("billing").count()
    stage.check("Billing's own database was up all the time", kept > 0, f"it has {plural(kept, 'invoice')}")


def again(stage: Stage) -> None:
    separate_contexts.start(stage, API)
    found = _generate(stage, 4)
    stage.check(
        "Billing works again because the users context does",
        found.code == 0 and found.json["issued"] == _active(),
        f"{found.json['issued']} issued",
    )


def _generate(stage: Stage, ahead: int) -> Ran:
    """A run that asks the API; its outcome is in `json`."""
    where = {"USERS_API_URL": separate_contexts.address(API)}
    return stage.manage("generate_invoices", "--period", facts.month(ahead), "--json", environment=where)


def _by_the_old_way(ahead: int) -> None:
    """Issue a month's invoices by the monolith's list; afterwards billing reads from there."""
    call_command("cutover", "billing", "--to", "monolith", stdout=io.StringIO())
    invoices_generate(period=facts.month(ahead))


def _known() -> int:
    """Users that billing has invoiced; it knows no others."""
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
