"""The facts about invoices that `billing` publishes to registered consumers."""

from billing import events
from billing.models import Invoice
from messaging.ownership import NOBODY
from messaging.publisher import CHANGED_AT, DomainEvent, Feed


def announces(facts: DomainEvent, first: bool) -> type[DomainEvent]:
    """Return the event type for this state, when no event was recorded."""
    if getattr(facts, "status", "") == "overdue":
        return events.InvoiceOverdue
    return events.InvoiceFlagged if getattr(facts, "review_reason", "") else events.InvoiceIssued


#: A deleted invoice has no period.
FEED = Feed(
    model=Invoice,
    facts=events.InvoiceFacts,
    gone={
        "user_id": NOBODY,
        "period": "",
        "amount_minor": 0,
        "status": "issued",
        "user_version": 0,
        "issued_at": CHANGED_AT,
    },
    announces=announces,
    keeps_gone=False,
)
