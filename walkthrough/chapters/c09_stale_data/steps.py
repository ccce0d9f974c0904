"""Chapter 9: what may be decided by a copy that is old, and what becomes of a decision that turns out wrong."""

from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet

from billing.models import CachedUser, Invoice
from messaging.events.text import plural
from messaging.replica import staleness
from users.services import user_suspend
from walkthrough.control import reset
from walkthrough.observe import facts
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage

#: Nobody listens there.
NOWHERE = "http://127.0.0.1:9"
BOUND = "2s"
OLD = timedelta(seconds=2)


def starts(stage: Stage) -> None:
    reset.reset()
    stage.check("Billing has a copy of every user, and it agrees", facts.agree(), facts.in_words())
    stage.check("Nobody is invoiced yet", invoices().count() == 0, plural(invoices().count(), "invoice"))


def unbound(stage: Stage) -> None:
    stage.processes.stop("relay-users", "tend-billing")
    late = facts.active(1)[0]
    user_suspend(user_id=late.pk, reason="fraud")
    stage.say(f"Nothing reaches billing any more, neither events nor the feed; and at this moment {late.name} is suspended.")
    stage.check("Billing's copy still says: active", status(late.pk) == "active", status(late.pk))
    ran = stage.manage("generate_invoices", "--period", "2026-09", "--max-staleness", "3650d")
    stage.check("Without a bound worth the name the run is content", ran.code == 0, f"exit code {ran.code}")
    wrong = invoices("2026-09").filter(user_id=late.pk)
    stage.check(f"{late.name} is suspended, and got an invoice", wrong.count() == 1, plural(wrong.count(), "invoice"))
    stage.notes["first"], stage.notes["name"] = str(late.pk), late.name


def hold(stage: Stage) -> None:
    _grow_old(stage)
    ran = stage.manage("generate_invoices", "--period", "2026-10", "--max-staleness", BOUND)
    stage.check("The run is refused: exit code 3", ran.code == 3, f"exit code {ran.code}")
    told = all(words in ran.output for words in ("was last confirmed", "The accepted age is 2 seconds."))
    stage.check("It says how old the copy is, and what age is accepted", told, ran.last)
    number = invoices("2026-10").count()
    stage.check("Nobody is invoiced, and nobody wrongly", number == 0, plural(number, "invoice"))


def ask(stage: Stage) -> None:
    words = "generate_invoices", "--period", "2026-10", "--max-staleness", BOUND, "--policy", "ask"
    away = stage.manage(*words, environment={"USERS_API_URL": NOWHERE})
    stage.check("Users doesn't answer: everybody is held, exit code 3", away.code == 3, f"exit code {away.code}")
    stage.check("Still nobody is invoiced", invoices("2026-10").count() == 0, plural(invoices("2026-10").count(), "invoice"))
    ran = stage.manage(*words)
    first, active = UUID(stage.notes["first"]), facts.active(1000)
    stage.check("Users answers: each user is looked up right before the decision", ran.code == 0, f"exit code {ran.code}")
    number = invoices("2026-10").count()
    stage.check(
        "Those who are active now are invoiced",
        number == len(active),
        f"{plural(number, 'invoice')}, {plural(len(active), 'active user')}",
    )
    mine = invoices("2026-10").filter(user_id=first).count()
    stage.check(f"{stage.notes['name']} isn't: the answer came in time", mine == 0 and status(first) == "suspended", status(first))
    flagged = invoices("2026-09").filter(user_id=first).exclude(review_reason="").first()
    reason = flagged.review_reason if flagged else "not flagged"
    stage.check("The answer also flags the wrong invoice of September", flagged is not None, reason)


def proceed(stage: Stage) -> None:
    second = facts.active(1)[0]
    user_suspend(user_id=second.pk, reason="chargeback")
    stage.say(f"Now {second.name} is suspended, and billing doesn't know. This run may not wait.")
    _grow_old(stage)
    ran = stage.manage("generate_invoices", "--period", "2026-11", "--max-staleness", BOUND, "--policy", "proceed")
    stage.check("It goes on, and says what was amiss", ran.code == 0 and "was last confirmed" in ran.output, ran.last)
    issued = invoices("2026-11")
    marked = issued.exclude(staleness="").count()
    stage.check("Every invoice carries how old the copy was", marked == issued.count() > 0, f"{marked} of {issued.count()} marked")
    wrong = issued.filter(user_id=second.pk)
    stage.check(f"One of them is wrong: {second.name}'s", wrong.count() == 1, wrong[0].staleness if wrong else "no invoice")
    stage.check("Nobody knows yet: it isn't flagged", not wrong.exclude(review_reason="").exists())
    stage.notes["second"] = str(second.pk)


def arrives(stage: Stage) -> None:
    second = UUID(stage.notes["second"])
    stage.processes.start("relay-users", "tend-billing")
    stage.eventually("The late news arrives", lambda: status(second) == "suspended", lambda: status(second))
    flagged = invoices("2026-11").filter(user_id=second).exclude(review_reason="")
    stage.eventually("It flags the invoice that it should have prevented", flagged.exists, lambda: reason_of(second))
    others = invoices("2026-11").exclude(user_id=second).exclude(review_reason="").count()
    stage.check("And no other one of that run", others == 0, f"{others} others")
    stage.eventually("The copy agrees", facts.agree, facts.in_words)
    young = lambda: staleness.staleness("billing", "users")  # noqa: E731
    stage.eventually(
        "And is young again", lambda: (young() or OLD * 2) < OLD * 2, lambda: f"{staleness.span_in_words(young() or OLD)} old"
    )
    rows = invoices().exclude(review_reason="").order_by("period")
    stage.rows(
        "For a person to look at", ("month", "user", "why"), [(row.period, str(row.user_id)[:8], row.review_reason) for row in rows]
    )


def _grow_old(stage: Stage) -> None:
    """Until the copy is older than the bound."""
    stage.wait(lambda: (staleness.staleness("billing", "users") or timedelta()) > OLD * 1.5)


def invoices(period: str = "") -> "QuerySet[Invoice]":
    rows = Invoice.objects.using("billing").all()
    return rows.filter(period=period) if period else rows


def reason_of(user_id: UUID) -> str:
    row = invoices("2026-11").filter(user_id=user_id).first()
    return row.review_reason if row else "no invoice"


def status(user_id: UUID) -> str:
    """What billing's copy says."""
    return str(CachedUser.objects.using("billing").values_list("status", flat=True).get(pk=user_id))


STEPS = {
    "unbound": Act(unbound, Kind.BREAK),
    "hold": Act(hold),
    "ask": Act(ask, Kind.MEND),
    "proceed": Act(proceed, Kind.BREAK),
    "arrives": Act(arrives, Kind.MEND),
}
