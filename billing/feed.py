"""What billing shows of its invoices to those who follow them."""

from billing import events
from billing.models import Invoice
from messaging.ownership import NOBODY
from messaging.publisher import CHANGED_AT, DomainEvent, Feed


def announces(facts: DomainEvent, first: bool) -> type[DomainEvent]:
    """The event that tells this state."""
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
