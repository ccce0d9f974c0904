"""Chapter 6: cut over. The rows move beside live writes, and billing moves to its own copy; each step has a way back."""

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
    stage.check("All users are in the monolith, and none anywhere else", old > new == 0, f"{old} there, {new} in users")


def copy(stage: Stage) -> None:
    with Application("monolith") as application:
        moved = [stage.manage("split", context, "--json") for context in ("users", "billing")]
    _nothing_lost(stage, application)
    for context, ran in zip(("users", "billing"), moved, strict=True):
        stage.check(f"{context}: fingerprints are equal", ran.code == 0 and ran.json["verdict"] == "in_sync", _found(ran))
        stage.check(f"{context}: the monolith still owns the rows", ran.json["owner"] == "monolith", f"owner: {ran.json['owner']}")
    stage.eventually("What is written now follows by itself", _followed, lambda: _numbers()[-1])
    stage.rows("Rows", ("", "monolith", "contexts"), _rows())


def flip(stage: Stage) -> None:
    with Application("monolith") as application:
        users = stage.manage("split", "users", "--flip", "--json")
        arrived = application.reaches("users")
    stage.check("Users owns its rows now", users.code == 0 and users.json["owner"] == "users", _paused(users))
    stage.check("The application was sent on, and writes there", arrived, application.in_words())
    _nothing_lost(stage, application)
    refused = _written_past_it()
    stage.check(
        "Old code that still writes to the monolith is refused, and its error says where to write",
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
    stage.check("And then users does again", again.code == 0 and again.json["owner"] == "users", _paused(again))
    stage.check("The application went along, both times", arrived and returned, application.in_words())
    _nothing_lost(stage, application)
    # Only now: the monolith's signal writes into invoices, and would be refused where these have gone and users are back.
    billing = stage.manage("split", "billing", "--flip", "--json")
    stage.check("Billing owns its invoices, too", billing.code == 0 and billing.json["owner"] == "billing", _paused(billing))
    stage.eventually("The monolith follows, so what reads its tables still works", _followed, lambda: _numbers()[-1])


def shadow(stage: Stage) -> None:
    stage.eventually("Billing's copy has followed the users, wherever they came from", facts.agree, facts.in_words)
    stage.manage("cutover", "billing", "--to", "shadow")
    run = invoices_generate(period=facts.month())
    agreed, standing = Cutover.objects.using("billing").get().agreed, _standing().count()
    stage.check(
        "The monolith decides, and the copy is asked the same", run.source == "shadow" and run.issued > 0, f"{run.issued} issued"
    )
    stage.check(
        "Both say the same of everybody",
        standing == 0 < agreed,
        f"{plural(agreed, 'read agrees', 'reads agree')}, {standing} against",
    )


def tamper(stage: Stage) -> None:
    copies = CachedUser.objects.using("billing").filter(status=CachedUser.Status.ACTIVE).order_by("user_id")
    chosen = copies[0].user_id
    copies.filter(pk=chosen).update(status=CachedUser.Status.SUSPENDED)
    stage.say("In billing's database, somebody mends something by hand: one active user is suspended now, in the copy alone.")
    run = invoices_generate(period=facts.month(1))
    stage.rows("Shadow mismatches", ("user", "the monolith says", "the copy says"), map(_mismatch, _standing()))
    stage.check(
        "The shadow read sees it",
        _standing().filter(user_id=chosen).count() == 1,
        plural(_standing().count(), "mismatch stands", "mismatches stand"),
    )
    invoiced = Invoice.objects.using("billing").filter(user_id=chosen, period=facts.month(1)).exists()
    stage.check(
        "Nobody is harmed: the old source decided",
        invoiced and run.issued > 0,
        f"that user was {'' if invoiced else 'not '}invoiced",
    )
    ran = stage.manage("cutover", "billing", "--to", "cache")
    stage.check("The gate refuses", ran.code == 3, f"exit code {ran.code}")
    stage.check("And says what is missing", "mismatch" in ran.output and str(chosen)[:8] in ran.output, ran.last)


def repair(stage: Stage) -> None:
    ran = stage.manage("reconcile", "billing", "--from", "users", "--repair")
    stage.check("The authority's row is in the copy again", ran.code == 0 and facts.agree(), facts.in_words())
    ran = stage.manage("cutover", "billing", "--to", "cache")
    stage.check("The gate lets it through", ran.code == 0 and not _standing().exists(), ran.last)
    run = invoices_generate(period=facts.month(2))
    stage.check(
        "Billing decides by its own copy", run.source == "cache" and run.calls == 0, _decided(run.source, run.issued, run.calls)
    )


def roll_back(stage: Stage) -> None:
    ran = stage.manage("cutover", "billing", "--to", "monolith", "--reason", "Monday morning")
    run = invoices_generate(period=facts.month(3))
    stage.say("The invoices are issued by the process that plays this chapter. It was running before, and nobody restarts it.")
    stage.check("Back is always allowed", ran.code == 0 and run.source == "monolith", _decided(run.source, run.issued, run.calls))
    stage.say("Forward begins with watching again: to shadow, a month of invoices there, then the gate.")
    call_command("cutover", "billing", "--to", "shadow", stdout=io.StringIO())
    invoices_generate(period=facts.month(4))
    ran = stage.manage("cutover", "billing", "--to", "cache")
    run = invoices_generate(period=facts.month(5))
    stage.check("The gate lets it through", ran.code == 0 and run.source == "cache", _decided(run.source, run.issued, run.calls))


def _nothing_lost(stage: Stage, application: Application) -> None:
    lost = application.lost()
    stage.check(
        "Not one acknowledged write is lost",
        not application.failed and application.wrote.total() > 0 and not lost,
        f"{application.in_words()}; {len(lost)} lost{f'; it ended: {application.failed}' if application.failed else ''}",
    )


def _written_past_it() -> str:
    """What a script hears that writes to the old table, as it always did: the database's error. Nothing where it may."""
    try:
        OldUser.objects.update(status=OldUser.Status.SUSPENDED)
    except IntegrityError as error:
        return str(error).splitlines()[0]
    return ""


def _followed() -> bool:
    splits = [move.standing(move.split_of(context)) for context in ("users", "billing")]
    return all(split["lag"] == 0 for split in splits) and _numbers()[0]


def _numbers() -> tuple[bool, str]:
    """Whether both sides have as many rows, and how many those are."""
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
    return f"writers were held for {ran.json['pause_ms']} ms" if ran.code == 0 else ran.last


def _standing() -> QuerySet[ShadowMismatch]:
    return ShadowMismatch.objects.using("billing").filter(settled_at=None)


def _mismatch(row: ShadowMismatch) -> tuple[str, str, str]:
    return str(row.user_id)[:8], row.old_status, row.cache_status


def _decided(source: str, issued: int, calls: int) -> str:
    return f"{issued} issued by {source}, questions asked: {calls}"


STEPS = {
    "copy": Act(copy),
    "flip": Act(flip),
    "back": Act(back),
    "shadow": Act(shadow),
    "tamper": Act(tamper, Kind.BREAK),
    "repair": Act(repair, Kind.MEND),
    "roll-back": Act(roll_back),
}
