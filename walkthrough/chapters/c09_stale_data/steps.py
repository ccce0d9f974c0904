"""Chapter 9: three policies for an old copy, and what happens to a decision that turns out wrong."""

from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet

from billing.models import CachedUser, Invoice
from messaging.events.text import plural
from messaging.replica import staleness
from users.models import User
from users.services import user_suspend
from walkthrough.control import reset
from walkthrough.observe import facts
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage

#: An address at which nothing listens.
NOWHERE = "http://127.0.0.1:9"
BOUND = "2s"
OLD = timedelta(seconds=2)


def starts(stage: Stage) -> None:
    reset.reset()
    stage.check("Billing has an equal copy of every user", facts.agree(), facts.in_words())
    stage.check("Nobody is invoiced yet", invoices().count() == 0, plural(invoices().count(), "invoice"))


def unbound(stage: Stage) -> None:
    stage.stop("relay-users", "tend-billing")
    late = facts.active(1)[0]
    user_suspend(user_id=late.pk, reason="fraud")
    stage.say(f"Neither events nor the feed reach billing now. {late.name} is suspended.")
    stage.fault("In billing's copy the user is still active", status(late.pk) == "active", status(late.pk))
    ran = stage.manage("generate_invoices", "--period", "2026-09", "--max-staleness", "3650d")
    stage.check("With a bound of ten years, the run succeeds", ran.code == 0)
    wrong = invoices("2026-09").filter(user_id=late.pk)
    stage.fault(f"{late.name} is suspended and got an invoice", wrong.count() == 1, plural(wrong.count(), "invoice"))
    suspended = User.objects.using("users").filter(status="suspended").values_list("pk", flat=True)
    invoiced = invoices("2026-09").filter(user_id__in=list(suspended)).count()
    stage.outcome(none=invoiced == 0, one=invoiced == 1 < len(suspended), all=invoiced == len(suspended))
    stage.notes["first"], stage.notes["name"] = str(late.pk), late.name


def hold(stage: Stage) -> None:
    _grow_old(stage)
    ran = stage.manage("generate_invoices", "--period", "2026-10", "--max-staleness", BOUND)
    said = all(words in ran.output for words in ("was last confirmed", "The accepted age is 2 seconds."))
    stage.check("The run refuses, and names the copy's age and the accepted age", ran.code == 3 and said)
    number = invoices("2026-10").count()
    stage.check("Nobody is invoiced", number == 0, plural(number, "invoice"))


def ask(stage: Stage) -> None:
    words = "generate_invoices", "--period", "2026-10", "--max-staleness", BOUND, "--policy", "ask"
    away = stage.quietly(*words, environment={"USERS_API_URL": NOWHERE})
    number = invoices("2026-10").count()
    stage.check(
        "While the users context doesn't answer, nobody is invoiced", away.code == 3 and number == 0, f"exit code {away.code}"
    )
    ran = stage.manage(*words)
    first, active = UUID(stage.notes["first"]), facts.active(1000)
    stage.check("When it answers, billing looks up each user right before deciding", ran.code == 0)
    number = invoices("2026-10").count()
    stage.check(
        "Every user who is active now is invoiced",
        number == len(active),
        f"{plural(number, 'invoice')}, {plural(len(active), 'active user')}",
    )
    mine = invoices("2026-10").filter(user_id=first).count()
    stage.check(f"{stage.notes['name']} isn't invoiced", mine == 0 and status(first) == "suspended", status(first))
    flagged = invoices("2026-09").filter(user_id=first).exclude(review_reason="").count()
    stage.check("The answer also flags the wrong invoice of September", flagged == 1, f"{flagged} flagged")


def proceed(stage: Stage) -> None:
    second = facts.active(1)[0]
    user_suspend(user_id=second.pk, reason="chargeback")
    stage.say(f"{second.name} is suspended, and billing doesn't know that.")
    _grow_old(stage)
    ran = stage.manage("generate_invoices", "--period", "2026-11", "--max-staleness", BOUND, "--policy", "proceed")
    stage.check("It decides, and names the copy's age", ran.code == 0 and "was last confirmed" in ran.output)
    issued = invoices("2026-11")
    marked = issued.exclude(staleness="").count()
    stage.check("Every invoice carries the copy's age", marked == issued.count() > 0, f"{marked} of {issued.count()}")
    wrong = issued.filter(user_id=second.pk)
    stage.fault(f"{second.name}'s invoice is wrong", wrong.count() == 1, plural(wrong.count(), "invoice"))
    flagged = wrong.exclude(review_reason="").exists()
    stage.fault("The invoice isn't flagged yet", not flagged)
    stage.outcome(age=marked > 0 and not flagged, flag=flagged, nothing=marked == 0 and not flagged)
    stage.notes["second"] = str(second.pk)


def arrives(stage: Stage) -> None:
    second = UUID(stage.notes["second"])
    stage.start("relay-users", "tend-billing")
    stage.eventually("The suspension arrives", lambda: status(second) == "suspended", lambda: status(second))
    flagged = invoices("2026-11").filter(user_id=second).exclude(review_reason="")
    stage.eventually("It flags the wrong invoice", flagged.exists, lambda: f"{flagged.count()} flagged")
    others = invoices("2026-11").exclude(user_id=second).exclude(review_reason="").count()
    stage.check("It flags no other invoice of that run", others == 0, plural(others, "other"))
    stage.eventually("The copy is equal again", facts.agree, facts.in_words)
    young = lambda: staleness.staleness("billing", "users")  # noqa: E731
    stage.eventually(
        "The copy is fresh again", lambda: (young() or OLD * 2) < OLD * 2, lambda: f"{staleness.span_in_words(young() or OLD)} old"
    )
    rows = invoices().exclude(review_reason="").order_by("period")
    stage.rows(
        "Invoices to review",
        ("month", "user", "why"),
        [
            (row.period.replace("-", "\N{NON-BREAKING HYPHEN}"), str(row.user_id)[:8], row.review_reason.partition(". ")[0])
            for row in rows
        ],
    )


def _grow_old(stage: Stage) -> None:
    """Wait until the copy is older than the bound."""
    old = lambda: (staleness.staleness("billing", "users") or timedelta()) > OLD * 1.5  # noqa: E731
    stage.wait("Waits until billing's copy is older than two seconds", old)


def invoices(period: str = "") -> "QuerySet[Invoice]":
    rows = Invoice.objects.using("billing").all()
    return rows.filter(period=period) if period else rows


def status(user_id: UUID) -> str:
    """The user's status in billing's copy."""
    return str(CachedUser.objects.using("billing").values_list("status", flat=True).get(pk=user_id))


STEPS = {
    "unbound": Act(unbound, Kind.BREAK),
    "hold": Act(hold),
    "ask": Act(ask, Kind.MEND),
    "proceed": Act(proceed, Kind.BREAK),
    "arrives": Act(arrives, Kind.MEND),
}
