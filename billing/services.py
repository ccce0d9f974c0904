"""All changes to billing's invoices. Each writes rows and events in one transaction on billing's own database."""

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from billing import events, selectors
from billing.errors import InvalidPeriod, SourceAway, TransitionNotAllowed, UnknownInvoice
from billing.models import Invoice
from billing.sources.base import Source, Standing
from billing.sources.reading import Reading
from messaging.consumer import insert_new
from messaging.publisher import Record, record, record_many
from messaging.replica import BatchLookup, Policy, staleness
from messaging.settings import context

DATABASE, CONTEXT = context("billing").alias, "billing"
#: The context that owns the users.
AUTHORITY = "users"
#: The greatest age at which the copy of the users may decide.
MAX_STALENESS = timedelta(minutes=15)
MONTHLY_FEE_MINOR, CURRENCY = 1900, "EUR"
BATCH = 1000


@dataclass
class Run:
    """The outcome of `invoices_generate`."""

    issued: int = 0  #: Invoices issued.
    skipped: int = 0  #: Users skipped because they are suspended or erased.
    already: int = 0  #: Users that had an invoice before.
    held: int = 0  #: Users not decided on, because the copy was too old or their status was unknown.
    reason: str = ""  #: What was wrong with the copy or the source; empty if nothing was.
    refused: bool = False  #: True if users were held for that reason.
    source: str = ""  #: The source of users at the end (`billing.Cutover`).
    calls: int = 0  #: Calls to the sources, over HTTP or to another context's database.
    seconds: float = 0.0  #: Time that these calls took.
    away: bool = False  #: True if a live source didn't answer.


def invoices_generate(
    *,
    period: str,
    policy: Policy | None = None,
    max_staleness: timedelta | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Run:
    """Invoice every active user for a month ("2026-11"), once. Safe to repeat, to interrupt and to run twice at a time.

    The chosen source (`manage.py cutover billing`) says who is active; it is read before each batch. If a live source doesn't
    answer, the run ends: issued invoices stay, and the other users are held. Before each batch, a copy's age is checked.

    Parameters
    ----------
    policy
        What to do if the copy is too old. `HOLD` (default): hold the remaining users. `ASK`: look up each user, and hold those
        without an answer. `PROCEED`: trust the copy; a suspension that arrives late flags the invoice.
    max_staleness
        The greatest age of the copy, by default `MAX_STALENESS`. With neither given, a copy whose age was never measured may
        decide too, and `Run.reason` says so.

    Raises `InvalidPeriod` if the period isn't a month, `SourceAway` if this process doesn't have the chosen source.
    """
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", period):
        raise InvalidPeriod(f"{period!r} is not a month. Write it as 2026-11.")
    run, asking, reading = Run(), BatchLookup(CONTEXT, AUTHORITY), Reading()
    after: uuid.UUID | None = None
    try:
        # An empty copy is judged too: it may be empty only because it is old.
        while (standings := reading.after(after, BATCH)) or after is None:
            is_copy = reading.source.is_copy
            todo, doubt = _judged(policy, max_staleness) if is_copy else (Policy.PROCEED, "")
            run.reason = doubt or run.reason
            if doubt and todo is Policy.HOLD:
                run.held, run.refused = reading.source.undecided(period, after), True
                break
            if not standings:
                break
            ids = [standing.user_id for standing in standings]
            asked = selectors.uninvoiced(period=period, ids=ids) if doubt and todo is Policy.ASK else set()
            held = asking.unanswered(asked)
            with transaction.atomic(using=DATABASE):
                users = reading.source.confirmed([standing for standing in standings if standing.user_id not in held])
                # A user who was just looked up is as fresh as can be.
                new = _issue(_counted(users, reading.source), period, "" if todo is Policy.ASK else doubt)
            run.issued, run.already, run.held = run.issued + new, run.already + len(users) - new, run.held + len(held)
            after = ids[-1]
            progress(len(ids))
    except SourceAway as error:
        run.held, run.refused, run.away = run.held + reading.source.undecided(period, after), True, True
        run.reason = str(error)
    finally:
        asking.close()
        reading.close()
    run.refused = run.refused or run.held > 0
    run.reason = " ".join(filter(None, [run.reason, *asking.told()]))
    run.source, run.skipped, run.calls, run.seconds = reading.source.name, reading.skipped(), reading.calls, reading.seconds
    return run


def _judged(policy: Policy | None, bound: timedelta | None) -> tuple[Policy, str]:
    """Judge the copy's age now: what to do, and what is wrong with the age (empty: nothing)."""
    if policy is None and bound is None and not staleness.measured(CONTEXT, AUTHORITY):
        return Policy.PROCEED, staleness.described(CONTEXT, AUTHORITY)
    return policy or Policy.HOLD, staleness.doubt(CONTEXT, AUTHORITY, MAX_STALENESS if bound is None else bound)


def _counted(users: Sequence[Standing], source: Source) -> Sequence[Standing]:
    """Make versions comparable with those of `users`' events. Another authority counts its own versions, so 0 replaces them: then
    a late suspension flags an invoice by its time alone."""
    return users if source.authority == AUTHORITY else [user._replace(version=0) for user in users]


def _issue(users: Sequence[Standing], period: str, doubt: str) -> int:
    rows = [
        {
            "id": uuid.uuid4(),
            "user_id": user.user_id,
            "period": period,
            "amount_minor": MONTHLY_FEE_MINOR,
            "currency": CURRENCY,
            "status": Invoice.Status.ISSUED.value,
            "user_version": user.version,
            "issued_at": timezone.now(),
            "staleness": doubt[:300],
            "review_reason": "",
        }
        for user in users
    ]
    invoiced = Invoice.objects.using(DATABASE).filter(period=period, user_id__in=[user.user_id for user in users])
    known = set(invoiced.values_list("user_id", flat=True))
    # Another run may insert the same invoices: the unique pair (user, period) decides, and only inserted rows are announced.
    new = insert_new(
        Invoice, [row for row in rows if row["user_id"] not in known], key="id", unique=("user_id", "period"), using=DATABASE
    )
    invoices = [Invoice(**row) for row in rows if row["id"] in new]
    record_many([Record(_event(invoice, events.InvoiceIssued), invoice.pk) for invoice in invoices], using=DATABASE)
    return len(invoices)


def invoice_mark_overdue(*, invoice_id: uuid.UUID) -> Invoice:
    """Record that an invoice wasn't paid in time. Raises `UnknownInvoice`, or `TransitionNotAllowed` if it is overdue already."""
    with transaction.atomic(using=DATABASE):
        invoice = Invoice.objects.using(DATABASE).select_for_update().filter(pk=invoice_id).first()
        if invoice is None:
            raise UnknownInvoice(f"There is no invoice {invoice_id}.")
        if invoice.status != Invoice.Status.ISSUED:
            raise TransitionNotAllowed(f"Only an issued invoice becomes overdue; this one is {invoice.status}.")
        invoice.status = Invoice.Status.OVERDUE
        invoice.save(using=DATABASE)
        record(_event(invoice, events.InvoiceOverdue), subject=invoice.pk, using=DATABASE)
    return invoice


def invoices_flag_late(*, user_id: uuid.UUID, status: str, since: datetime, version: int) -> int:
    """Flag the invoices that were issued after the user had become inactive, but before billing knew it. Returns their number.

    An invoice that is flagged already keeps its reason.
    """
    late = (
        Invoice.objects.using(DATABASE)
        .select_for_update()
        .filter(user_id=user_id, issued_at__gte=since, user_version__lt=version, review_reason="")
    )
    flagged = 0
    with transaction.atomic(using=DATABASE):
        for invoice in late:
            invoice.review_reason = (
                f"The user was {status} at {since:%Y-%m-%d %H:%M:%S} UTC, "
                "before this invoice was issued. Billing received the change later."
            )
            invoice.save(using=DATABASE)
            record(_event(invoice, events.InvoiceFlagged), subject=invoice.pk, using=DATABASE)
            flagged += 1
    return flagged


def _event(invoice: Invoice, kind: type[events.InvoiceFacts]) -> events.InvoiceFacts:
    return kind(
        user_id=invoice.user_id,
        period=invoice.period,
        amount_minor=invoice.amount_minor,
        currency=invoice.currency,
        status=invoice.status,  # type: ignore[arg-type]
        user_version=invoice.user_version,
        issued_at=invoice.issued_at,
        review_reason=invoice.review_reason,
    )
