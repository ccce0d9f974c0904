"""Every way to change what billing owns. Each writes rows and events in one transaction on billing's own database."""

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from billing import events
from billing.errors import InvalidPeriod, TransitionNotAllowed, UnknownInvoice
from billing.models import CachedUser, Invoice
from messaging import outbox
from messaging.upsert import insert_new

DATABASE = "billing"
MONTHLY_FEE_MINOR, CURRENCY = 1900, "EUR"
BATCH = 1000


@dataclass(frozen=True)
class Run:
    """A run's outcome: invoices issued; users skipped because they are suspended or erased; users invoiced before."""

    issued: int
    skipped: int
    already: int


def invoices_generate(*, period: str, progress: Callable[[int], None] = lambda done: None) -> Run:
    """Invoice every active user for a month ("2026-11"), once. Safe to repeat, to interrupt, and to run twice at a time.

    Raises `InvalidPeriod` for what is not a month.
    """
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", period):
        raise InvalidPeriod(f"{period!r} is not a month. Write it as 2026-11.")
    issued = already = 0
    after: uuid.UUID | None = None
    while True:
        with transaction.atomic(using=DATABASE):
            users = _next_active(after)
            if not users:
                break
            new = _issue(users, period)
        after = users[-1].user_id
        issued, already = issued + new, already + len(users) - new
        progress(len(users))
    return Run(issued, CachedUser.objects.using(DATABASE).exclude(status=CachedUser.Status.ACTIVE).count(), already)


def _next_active(after: uuid.UUID | None) -> list[CachedUser]:
    """The next batch of active users, locked: a suspension that arrives now waits for their invoices, and flags them."""
    active = CachedUser.objects.using(DATABASE).filter(status=CachedUser.Status.ACTIVE)
    if after is not None:
        active = active.filter(user_id__gt=after)
    return list(active.order_by("user_id").select_for_update()[:BATCH])


def _issue(users: Sequence[CachedUser], period: str) -> int:
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
            "review_reason": "",
        }
        for user in users
    ]
    invoiced = Invoice.objects.using(DATABASE).filter(period=period, user_id__in=[user.user_id for user in users])
    known = set(invoiced.values_list("user_id", flat=True))
    # Another run may be beside us: the unique pair (user, period) decides, and only what was really inserted is announced.
    new = insert_new(
        Invoice, [row for row in rows if row["user_id"] not in known], key="id", unique=("user_id", "period"), using=DATABASE
    )
    invoices = [Invoice(**row) for row in rows if row["id"] in new]
    outbox.record_many([outbox.Record(_event(invoice, events.InvoiceIssued), invoice.pk) for invoice in invoices], using=DATABASE)
    return len(invoices)


def invoice_mark_overdue(*, invoice_id: uuid.UUID) -> Invoice:
    """Note that an invoice wasn't paid in time. Raises `TransitionNotAllowed` where it is overdue already."""
    with transaction.atomic(using=DATABASE):
        invoice = Invoice.objects.using(DATABASE).select_for_update().filter(pk=invoice_id).first()
        if invoice is None:
            raise UnknownInvoice(f"There is no invoice {invoice_id}.")
        if invoice.status != Invoice.Status.ISSUED:
            raise TransitionNotAllowed(f"Only an issued invoice becomes overdue; this one is {invoice.status}.")
        invoice.status = Invoice.Status.OVERDUE
        invoice.save(using=DATABASE)
        outbox.record(_event(invoice, events.InvoiceOverdue), subject=invoice.pk, using=DATABASE)
    return invoice


def invoices_flag_late(*, user_id: uuid.UUID, status: str, since: datetime, version: int) -> int:
    """Flag a user's invoices that were issued after the user had stopped being active, though billing didn't know yet.

    Returns how many were flagged. An invoice that is flagged already keeps its reason.
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
                f"The user was {status} at {since:%Y-%m-%d %H:%M:%S} UTC, before this invoice was issued. "
                "Billing learnt of it later."
            )
            invoice.save(using=DATABASE)
            outbox.record(_event(invoice, events.InvoiceFlagged), subject=invoice.pk, using=DATABASE)
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
