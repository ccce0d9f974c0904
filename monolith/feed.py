"""The facts that the monolith publishes to the contexts that take over its tables, declared as by any authority."""

from messaging.ownership import NOBODY
from messaging.publisher import CHANGED_AT, Feed
from monolith.events import InvoiceChanged, InvoiceFacts, UserChanged, UserFacts
from monolith.models import Invoice, User

USERS = Feed(
    model=User,
    facts=UserFacts,
    gone={"status": "erased", "status_since": CHANGED_AT, "created_at": CHANGED_AT},
    announces=lambda facts, first: UserChanged,
    fields={"email": "email"},
)

INVOICES = Feed(
    model=Invoice,
    facts=InvoiceFacts,
    gone={"user_id": NOBODY, "period": "", "amount_minor": 0, "status": "issued", "issued_at": CHANGED_AT},
    announces=lambda facts, first: InvoiceChanged,
    keeps_gone=False,
)
