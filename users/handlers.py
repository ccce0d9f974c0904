"""The reactions of `users` to other contexts' events. `HANDLERS` at the end is the wiring."""

from collections.abc import Sequence
from typing import Literal

from messaging.consumer import Event, Handler, Upserted
from users.caches import InvoiceFacts, apply_invoices
from users.models import CachedInvoice


class Overdue(InvoiceFacts):
    """An overdue invoice. Its event lacks the status if it was sent before `users` registered for it."""

    status: Literal["issued", "overdue"] = "overdue"


def apply_invoice_changes(events: Sequence[Event]) -> Upserted:
    """Move the copy of invoices forward to the state in these events."""
    return apply_invoices(events, CachedInvoice.Source.EVENT.value)


HANDLERS = {
    "billing.invoice.issued.v1": Handler(reads=InvoiceFacts, apply=apply_invoice_changes),
    "billing.invoice.overdue.v1": Handler(reads=Overdue, apply=apply_invoice_changes),
    "billing.invoice.flagged.v1": Handler(reads=InvoiceFacts, apply=apply_invoice_changes),
}
