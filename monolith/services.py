"""The monolith's services in the ordinary Django way: they take model instances, and write to one database in one transaction.

That is its strength. A user, their invoices and the report always agree, without any extra work.
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

#: One JOIN finds the users to invoice and the names on the invoices. `FOR SHARE` makes a suspension and this statement wait for
#: each other. SQLite doesn't need it, because it has one writer at a time.
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
    """Register a user. Raises `ValidationError` if a value is missing or the address is invalid or taken."""
    user = User(email=email.strip().lower(), name=" ".join(name.split()))
    _must_be_filled(user)
    user.full_clean()
    user.save()
    return user


def suspend(user: User, reason: str) -> None:
    """Suspend an active user; in the same transaction a signal (`monolith/signals.py`) writes to the user's invoices."""
    if user.status != User.Status.ACTIVE:
        raise ValidationError(f"Only an active user can be suspended; this one is {user.status}.")
    user.suspension_reason = reason
    _set_status(user, User.Status.SUSPENDED)


def reactivate(user: User) -> None:
    """Reactivate a suspended user. Raises `ValidationError` if the user isn't suspended."""
    if user.status != User.Status.SUSPENDED:
        raise ValidationError(f"Only a suspended user can be reactivated; this one is {user.status}.")
    user.suspension_reason = ""
    _set_status(user, User.Status.ACTIVE)


def change_email(user: User, email: str) -> None:
    """Change a user's address. Raises `ValidationError` if it is invalid or taken."""
    user.email = email.strip().lower()
    _must_be_filled(user)
    user.full_clean()
    user.save()


def delete(user: User) -> int:
    """Delete a user, and return the number of invoices deleted with it. The foreign key's `on_delete=CASCADE` deletes all of
    them."""
    with transaction.atomic(using=DATABASE):
        _, by_model = user.delete()
    return by_model.get(Invoice._meta.label, 0)


def generate_invoices(period: str) -> int:
    """Invoice every active user once for a month ("2026-11"), by one JOIN. Returns the number of new invoices."""
    check_period(period)
    connection = connections[DATABASE]
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    values: dict[str, Any] = {"period": period, "amount": MONTHLY_FEE_MINOR, "currency": CURRENCY, "now": now}
    with transaction.atomic(using=DATABASE), connection.cursor() as cursor:
        cursor.execute(GENERATE.format(**DIALECTS[connection.vendor]), values)
        return cursor.rowcount


def check_period(period: str) -> None:
    """Raise `ValidationError` if the text isn't a month."""
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", period):
        raise ValidationError(f"{period!r} is not a month. Write it as 2026-11.")


def _set_status(user: User, status: User.Status) -> None:
    user.status, user.status_since = status, timezone.now()
    with transaction.atomic(using=DATABASE):
        user.full_clean()
        user.save()


def _must_be_filled(user: User) -> None:
    """Refuse empty values. The model allows them (`blank=True`), because erased users have none."""
    missing = [name for name in ("email", "name") if not getattr(user, name)]
    if missing:
        raise ValidationError(dict.fromkeys(missing, "This field is required."))
