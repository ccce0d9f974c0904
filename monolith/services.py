"""What the monolith does, the ordinary way: model instances in, rows out, and everything in one database and one transaction.

That is its strength. A user, his invoices and the report agree at every moment, and nobody had to think about it.
"""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections, transaction
from django.utils import timezone

from messaging.settings import context
from monolith.models import Invoice, User

DATABASE = context("monolith").alias
MONTHLY_FEE_MINOR, CURRENCY = 1900, "EUR"

#: Whom to invoice is a JOIN away, and so is the name on the invoice. `FOR SHARE`: a suspension that is under way is waited for, and
#: one that comes now waits; SQLite has one writer at a time anyhow.
GENERATE = """
INSERT INTO monolith_invoice
(id, user_id, period, amount_minor, currency, status, issued_at, review_reason, billed_to)
SELECT {new_id}, u.id, %(period)s, %(amount)s, %(currency)s, 'issued', %(now)s, '', u.name
FROM monolith_user u
LEFT JOIN monolith_invoice i ON i.user_id = u.id AND i.period = %(period)s
WHERE u.status = 'active' AND i.id IS NULL
{lock}
ON CONFLICT (user_id, period) DO NOTHING
"""
DIALECTS = {
    "postgresql": {"new_id": "gen_random_uuid()", "lock": "FOR SHARE OF u"},
    "sqlite": {"new_id": "lower(hex(randomblob(16)))", "lock": ""},
}


def register(*, email: str, name: str) -> User:
    """A new user. Raises `ValidationError` for an address that isn't one, or that another user has."""
    user = User(email=email.strip().lower(), name=" ".join(name.split()))
    _must_be_filled(user)
    user.full_clean()
    user.save()
    return user


def suspend(user: User, reason: str) -> None:
    """Suspend an active user. The signal (`monolith/signals.py`) writes to the invoices in the same transaction."""
    if user.status != User.Status.ACTIVE:
        raise ValidationError(f"Only an active user can be suspended; this one is {user.status}.")
    user.suspension_reason = reason
    _set_status(user, User.Status.SUSPENDED)


def reactivate(user: User) -> None:
    """Make a suspended user active again."""
    if user.status != User.Status.SUSPENDED:
        raise ValidationError(f"Only a suspended user can be reactivated; this one is {user.status}.")
    user.suspension_reason = ""
    _set_status(user, User.Status.ACTIVE)


def change_email(user: User, email: str) -> None:
    """Give a user another address."""
    user.email = email.strip().lower()
    _must_be_filled(user)
    user.full_clean()
    user.save()


def delete(user: User) -> int:
    """Delete a user; returns how many invoices went along. `on_delete=CASCADE` takes them all: nobody decided that, the foreign key
    did."""
    with transaction.atomic(using=DATABASE):
        _, by_model = user.delete()
    return by_model.get(Invoice._meta.label, 0)


def generate_invoices(period: str) -> int:
    """Invoice every active user for a month ("2026-11"), once: one JOIN. Returns how many invoices are new."""
    check_period(period)
    connection = connections[DATABASE]
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    values: dict[str, Any] = {"period": period, "amount": MONTHLY_FEE_MINOR, "currency": CURRENCY, "now": now}
    with transaction.atomic(using=DATABASE), connection.cursor() as cursor:
        cursor.execute(GENERATE.format(**DIALECTS[connection.vendor]), values)
        return cursor.rowcount


def check_period(period: str) -> None:
    """Raises `ValidationError` for what is not a month."""
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", period):
        raise ValidationError(f"{period!r} is not a month. Write it as 2026-11.")


def _set_status(user: User, status: User.Status) -> None:
    user.status, user.status_since = status, timezone.now()
    with transaction.atomic(using=DATABASE):
        user.full_clean()
        user.save()


def _must_be_filled(user: User) -> None:
    """A model's fields may be empty (`blank=True`); what a person types in may not."""
    missing = [name for name in ("email", "name") if not getattr(user, name)]
    if missing:
        raise ValidationError(dict.fromkeys(missing, "This is needed."))
