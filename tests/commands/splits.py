"""Shared by the tests of `split`: people and invoices in the monolith, and a check that both sides are equal."""

from billing.models import Invoice as BillingInvoice
from messaging.replica.sync import SyncProcess
from monolith.models import Invoice, User
from users.models import User as Moved

FACTS = ("id", "email", "name", "status", "status_since", "suspension_reason", "created_at")
INVOICE_FACTS = ("id", "user_id", "period", "amount_minor", "currency", "status", "issued_at", "review_reason")


def people(number: int) -> list[User]:
    rows = [User(email=f"u{n}@example.org", name=f"U{n}", status="suspended" if n % 5 == 0 else "active") for n in range(number)]
    return User.objects.using("monolith").bulk_create(rows)


def bill(users: list[User], period: str = "2026-11") -> list[Invoice]:
    rows = [Invoice(user=user, period=period, amount_minor=1900, currency="EUR", billed_to=user.name) for user in users]
    return Invoice.objects.using("monolith").bulk_create(rows)


def equal_users() -> bool:
    old = set(User.objects.using("monolith").values_list(*FACTS))
    return old == set(Moved.objects.using("users").values_list(*FACTS))


def equal_invoices() -> bool:
    old = set(Invoice.objects.using("monolith").values_list(*INVOICE_FACTS))
    return old == set(BillingInvoice.objects.using("billing").values_list(*INVOICE_FACTS))


def follow(context: str) -> None:
    """Take one step of the sync process (`tend`), which takes one every second."""
    sync = SyncProcess(context)
    sync.look()


class Killed(BaseException):
    """Stands for SIGKILL between two steps; the tests of processes send a real one."""
