"""Chapter 6: cut over. The rows move during live writes, and billing moves to its own copy. Each step can be reversed."""

import io

from django.core.management import call_command
from django.db import IntegrityError
from django.db.models import QuerySet

from billing.models import CachedUser, Cutover, Invoice, ShadowMismatch
from billing.services import invoices_generate
from messaging.events.text import plural
from messaging.split import move
from monolith.models import Invoice as OldInvoice
from monolith.models import User as OldUser
from users.models import User
from walkthrough.control import reset
from walkthrough.observe import facts
from walkthrough.scenarios.writing_application import Application
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Ran


def starts(stage: Stage) -> None:
    reset.reset(moved=False)
    call_command("cutover", "billing", "--to", "monolith", stdout=io.StringIO())
    old, new = OldUser.objects.count(), User.objects.using("users").count()
    stage.check("All users are in the monolith, and none elsewhere", old > new == 0, f"{old} there, {new} in users")


def copy(stage: Stage) -> None:
    with Application("monolith") as application:
        moved = [stage.manage("split", context, "--json") for context in ("users", "billing")]
    _nothing_lost(stage, application)
    for context, ran in zip(("users", "billing"), moved, strict=True):
        stage.check(f"{context}: fingerprints are equal", ran.code == 0 and ran.json["verdict"] == "in_sync", _found(ran))
    owners = {ran.json["owner"] for ran in moved if ran.json}
    stage.check("The monolith still owns all rows", owners == {"monolith"})
    stage.eventually("New writes arrive in the contexts too", _followed)
    stage.rows("Rows", ("", "monolith", "contexts"), _rows())


def flip(stage: Stage) -> None:
    with Application("monolith") as application:
        users = stage.manage("split", "users", "--flip", "--json")
        arrived = application.reaches("users")
    stage.check("The users context owns its rows now", users.code == 0 and users.json["owner"] == "users", _paused(users))
    stage.check("The application now writes there", arrived, application.in_words())
    _nothing_lost(stage, application)
    refused = _written_past_it()
    stage.check(
        "Old code that writes to the monolith is refused, and the error says where to write",
        "belongs to users: write there" in refused,
        refused or "it wrote",
    )


def back(stage: Stage) -> None:
    with Application("users") as application:
        there = stage.manage("split", "users", "--back", "--json")
        arrived = application.reaches("monolith")
        again = stage.manage("split", "users", "--flip", "--json")
        returned = application.reaches("users")
    stage.check("The monolith owns the users again", there.code == 0 and there.json["owner"] == "monolith", _paused(there))
    stage.check("Then the users context owns them again", again.code == 0 and again.json["owner"] == "users", _paused(again))
    stage.check("The application followed, both times", arrived and returned)
    _nothing_lost(stage, application)
    # Only now: the monolith's signal writes into invoices, so it would be refused with users back and the invoices gone.
    billing = stage.manage("split", "billing", "--flip", "--json")
    stage.check("Billing owns its invoices too", billing.code == 0 and billing.json["owner"] == "billing", _paused(billing))
    stage.eventually("The monolith follows, so readers of its tables still work", _followed, lambda: _numbers()[-1])


def shadow(stage: Stage) -> None:
    stage.eventually("Billing's copy has all these users", facts.agree, facts.in_words)
    stage.manage("cutover", "billing", "--to", "shadow")
    run = invoices_generate(period=facts.month())
    agreed, standing = Cutover.objects.using("billing").get().agreed, _standing().count()
    stage.check(
        "The monolith decides, and the copy is asked too", run.source == "shadow" and run.issued > 0, f"{run.issued} issued"
    )
    stage.check(
        "Both agree on every user",
        standing == 0 < agreed,
        f"{plural(agreed, 'read agrees', 'reads agree')}, {plural(standing, 'mismatch', 'mismatches')}",
    )


def tamper(stage: Stage) -> None:
    copies = CachedUser.objects.using("billing").filter(status=CachedUser.Status.ACTIVE).order_by("user_id")
    chosen = copies[0].user_id
    copies.filter(pk=chosen).update(status=CachedUser.Status.SUSPENDED)
    run = invoices_generate(period=facts.month(1))
    stage.rows("Shadow mismatches", ("user", "monolith", "copy"), map(_mismatch, _standing()))
    stage.check(
        "The shadow read finds it",
        _standing().filter(user_id=chosen).count() == 1,
        plural(_standing().count(), "mismatch", "mismatches"),
    )
    invoiced = Invoice.objects.using("billing").filter(user_id=chosen, period=facts.month(1)).exists()
    stage.check(
        "It does no harm: the old source decided",
        invoiced and run.issued > 0,
        f"the user was {'' if invoiced else 'not '}invoiced",
    )
    stage.outcome(yes=invoiced, no=not invoiced and run.issued > 0, nobody=run.issued == 0)
    ran = stage.manage("cutover", "billing", "--to", "cache")
    stage.check(
        "The gate refuses, and names the mismatch", ran.code == 3 and "mismatch" in ran.output and str(chosen)[:8] in ran.output
    )


def repair(stage: Stage) -> None:
    ran = stage.manage("reconcile", "billing", "--from", "users", "--repair")
    stage.check("The copy has the authority's row again", ran.code == 0 and facts.agree(), facts.in_words())
    ran = stage.manage("cutover", "billing", "--to", "cache")
    stage.check("The gate opens", ran.code == 0 and not _standing().exists())
    run = invoices_generate(period=facts.month(2))
    stage.check(
        "Billing decides from its own copy", run.source == "cache" and run.calls == 0, _decided(run.source, run.issued, run.calls)
    )


def roll_back(stage: Stage) -> None:
    ran = stage.manage("cutover", "billing", "--to", "monolith", "--reason", "Monday morning")
    run = invoices_generate(period=facts.month(3))
    stage.say("The process that plays this chapter issues the invoices. The switch needs no restart.")
    stage.check(
        "Going back is always allowed", ran.code == 0 and run.source == "monolith", _decided(run.source, run.issued, run.calls)
    )
    stage.say("Going forward begins with shadow reads again, for a month of invoices.")
    call_command("cutover", "billing", "--to", "shadow", stdout=io.StringIO())
    invoices_generate(period=facts.month(4))
    ran = stage.manage("cutover", "billing", "--to", "cache")
    run = invoices_generate(period=facts.month(5))
    stage.check("The gate opens again", ran.code == 0 and run.source == "cache", _decided(run.source, run.issued, run.calls))


def _nothing_lost(stage: Stage, application: Application) -> None:
    lost = application.lost()
    stage.check(
        "No acknowledged write is lost",
        not application.failed and application.wrote.total() > 0 and not lost,
        f"{len(lost)} of {application.wrote.total()} lost{f'; it ended: {application.failed}' if application.failed else ''}",
    )


def _written_past_it() -> str:
    """The database's error for a script that writes to the old table; empty if the write succeeds."""
    try:
        OldUser.objects.update(status=OldUser.Status.SUSPENDED)
    except IntegrityError as error:
        return str(error).splitlines()[0]
    return ""


def _followed() -> bool:
    splits = [move.standing(move.split_of(context)) for context in ("users", "billing")]
    return all(split["lag"] == 0 for split in splits) and _numbers()[0]


def _numbers() -> tuple[bool, str]:
    """True if the monolith and the contexts have equally many rows; and these numbers, in words."""
    rows = _rows()
    return all(old == new for _, old, new in rows), "; ".join(f"{what}: {old} and {new}" for what, old, new in rows)


def _rows() -> list[tuple[str, int, int]]:
    return [
        ("users", OldUser.objects.count(), User.objects.using("users").count()),
        ("invoices", OldInvoice.objects.count(), Invoice.objects.using("billing").count()),
    ]


def _found(ran: Ran) -> str:
    return f"{plural(ran.json['rows'], 'row')} read, {ran.json['verdict']}" if ran.json else ran.last


def _paused(ran: Ran) -> str:
    return f"writers held for {ran.json['pause_ms']} ms" if ran.code == 0 else ran.last


def _standing() -> QuerySet[ShadowMismatch]:
    return ShadowMismatch.objects.using("billing").filter(settled_at=None)


def _mismatch(row: ShadowMismatch) -> tuple[str, str, str]:
    return str(row.user_id)[:8], row.old_status, row.cache_status


def _decided(source: str, issued: int, calls: int) -> str:
    return f"source {source}: {issued} issued, {plural(calls, 'call')}"


STEPS = {
    "copy": Act(copy),
    "flip": Act(flip),
    "back": Act(back),
    "shadow": Act(shadow),
    "tamper": Act(tamper, Kind.BREAK),
    "repair": Act(repair, Kind.MEND),
    "roll-back": Act(roll_back),
}
