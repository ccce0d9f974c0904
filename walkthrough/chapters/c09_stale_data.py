"""Chapter 9: what may be decided by a copy that is old, and what becomes of a decision that turns out wrong."""

from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet

from billing.models import CachedUser, Invoice
from messaging import staleness
from messaging.texts import plural
from users.services import user_suspend
from walkthrough import facts, resetting
from walkthrough.chapter import Advice, Chapter, Kind, Listing, Step, TradeOff, Window
from walkthrough.stage import Stage

#: Nobody listens there.
NOWHERE = "http://127.0.0.1:9"
BOUND = "2s"
OLD = timedelta(seconds=2)


def starts(stage: Stage) -> None:
    resetting.reset()
    stage.check("Billing has a copy of every user, and it agrees", facts.agree(), facts.in_words())
    stage.check("Nobody is invoiced yet", invoices().count() == 0, plural(invoices().count(), "invoice"))


def unbound(stage: Stage) -> None:
    stage.programs.stop("relay-users", "tend-billing")
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
    stage.programs.start("relay-users", "tend-billing")
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


CHAPTER = Chapter(
    number=9,
    slug="stale-data",
    title="Decide on stale data",
    question="Whom may billing invoice, when it doesn't know how things stand?",
    situation="""
Billing decides by its own copy, so it can decide while users is away. That is what we wanted. But a copy has an age, and a decision that
is fine by a copy of two seconds may be wrong by one of two hours. A run that doesn't look at the age always succeeds, and is sometimes
wrong.
""",
    change="""
Heartbeats tell billing when it was last **confirmed** to be caught up, so the copy's age is a number, also while nothing changes. Each
decision **declares the age that it accepts**, and a policy for what is older: **hold** leaves it be, **ask** looks up each user right
before deciding, **proceed** decides all the same and writes the age on what it decided. And a suspension that arrives late looks for the
decisions that it should have prevented.
""",
    still_wrong="""
Between the look and the decision the copy ages a little more; that can be made small, not taken away. The monolith could: it locked the
user's row while it invoiced ([chapter 0](0)). That lock is what you give up. What the bound should be is no question of technology. Ask those who own the invoices what a wrong one costs, and what a
late one does. Meanwhile the events themselves will want to change: [chapter 10](10).
""",
    starts=starts,
    steps=(
        Step(
            "unbound",
            "Invoice by an old copy",
            "Billing is cut off, somebody is suspended, and a run accepts any age.",
            unbound,
            Kind.BREAK,
        ),
        Step("hold", "Hold", "The same cut-off, and a run that accepts a copy of two seconds.", hold),
        Step(
            "ask", "Ask", "The doubtful users are looked up first; once while users is away, once while it answers.", ask, Kind.MEND
        ),
        Step(
            "proceed",
            "Proceed",
            "Somebody else is suspended, and the run decides by the old copy, and says so.",
            proceed,
            Kind.BREAK,
        ),
        Step("arrives", "Let the late news in", "Relay and feed run again.", arrives, Kind.MEND),
    ),
    listings=(
        Listing("billing/services.py", "invoices_generate", "The age is judged before every batch."),
        Listing("messaging/staleness.py", "doubt", "Why a decision can't rely on this copy, in a sentence."),
        Listing("billing/services.py", "invoices_flag_late", "What a late suspension does to what was decided before."),
    ),
    trade_offs=(
        TradeOff("Hold", "Never wrong", "Users away for longer: nobody is invoiced, and somebody has to look"),
        TradeOff(
            "Ask", "Right, and only those held that got no answer", "Billing needs users again, for the doubtful part of a run"
        ),
        TradeOff("Proceed", "Always done in time", "Some decisions are wrong; they must be found again and put right"),
        TradeOff(
            "A bound per decision", "An invoice and a newsletter need not agree on it", "Somebody has to name a number, for each"
        ),
    ),
    advice=(
        Advice(
            "Code that reads from a replica",
            "You decide by stale data already. Measure the replica's lag, write down which decisions accept how much, and refuse above that.",
            ("SELECT application_name, replay_lag FROM pg_stat_replication",),
        ),
        Advice(
            "A nightly job over `select_related('user')`",
            "The rows were read at midnight, and row 40,000 is decided at three. Look at the age, or at the row, once a batch and not once a job.",
            ("manage.py generate_invoices --period 2026-11 --max-staleness 15m --policy ask",),
        ),
        Advice(
            "Decisions that nobody can explain afterwards",
            "Write beside each one what it was decided on: the version of the user and the age of the copy. Then what was wrong is a query.",
        ),
    ),
    windows=(
        Window("Invoices to look at", "admin:billing_invoice_changelist", "review=yes"),
        Window("Billing's copy", "admin:billing_cacheduser_changelist"),
        Window("How old the copy is", "admin:billing_authority_changelist"),
    ),
)
