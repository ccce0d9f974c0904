"""Facts for the chapters' checks: both sides of the demo data, compared row by row. Made for dozens of users; use `reconcile` for
more."""

from collections import Counter
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from billing.models import CachedUser, Invoice
from messaging.database.outbox_pattern import WAITING
from messaging.events.text import plural
from messaging.ledger import ledger
from messaging.models import Incident, Parked, Subscription
from messaging.publisher import outbox
from messaging.replica import staleness
from users.models import User
from walkthrough.observe.side_by_side import drift


def differing() -> dict[UUID, str]:
    """Users whose copy at billing differs, with the kind of drift."""
    users = User.objects.using("users").in_bulk()
    copies = CachedUser.objects.using("billing").in_bulk()
    ids = users.keys() | copies.keys()
    versions = ledger.positions("users", [("users.user", str(user_id)) for user_id in ids])
    found = {}
    for user_id in ids:
        version, _ = versions.get(("users.user", str(user_id)), (None, None))
        kind = drift(users.get(user_id), version, copies.get(user_id))
        if kind:
            found[user_id] = kind
    return found


def agree() -> bool:
    """Return True if billing's copy of every user equals users' row."""
    return not differing()


def in_words() -> str:
    """How many differ, and how: "24 users, none differs", "1 of 24 differs: 1 stale"."""
    found, number = differing(), User.objects.using("users").count()
    if not found:
        return f"{plural(number, 'user')}, none differs"
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(found.values()).most_common())
    return f"{len(found)} of {number} {'differs' if len(found) == 1 else 'differ'}: {kinds}"


def active(limit: int) -> list[User]:
    """Active users, always the same ones first."""
    return list(User.objects.using("users").filter(status="active").order_by("created_at", "id")[:limit])


def user_status(user_id: UUID) -> str:
    """A user's status at users; empty if there is no row."""
    return User.objects.using("users").filter(pk=user_id).values_list("status", flat=True).first() or ""


def copied_status(user_id: UUID) -> str:
    """A user's status in billing's copy; empty if there is no row."""
    return CachedUser.objects.using("billing").filter(pk=user_id).values_list("status", flat=True).first() or ""


def side_by_side(ids: list[UUID]) -> list[tuple[str, str, str, str]]:
    """Rows for a table: name, status and version at users, status and version at billing, kind of drift."""
    users = User.objects.using("users").in_bulk(ids)
    copies = CachedUser.objects.using("billing").in_bulk(ids)
    versions = ledger.positions("users", [("users.user", str(user_id)) for user_id in ids])
    kinds, rows = differing(), []
    for user_id in ids:
        user, copy = users.get(user_id), copies.get(user_id)
        version, _ = versions.get(("users.user", str(user_id)), (None, None))
        rows.append(
            (
                (user.name if user else "") or str(user_id)[:8],
                f"{user.status} v{version}" if user else "no row",
                f"{copy.status} v{copy.version}" if copy else "no row",
                kinds.get(user_id, "equal"),
            )
        )
    return rows


SIDES = ("name", "users", "billing", "compared")


def unsent(context: str = "users") -> int:
    """Count the events in a context's outbox that the relay hasn't sent."""
    return outbox.rows(context, context, WAITING).count()


def recorded(context: str = "users") -> int:
    """Count the events that a context recorded."""
    return outbox.rows(context, context).count()


def progress(consumer: str = "billing", authority: str = "users") -> Subscription:
    """The consumer's own record: checkpoint, counts, state."""
    return Subscription.objects.using(consumer).get(authority=authority)


def counts(consumer: str = "billing", authority: str = "users") -> dict[str, int]:
    """Count the outcomes so far: applied, duplicate, obsolete."""
    row = progress(consumer, authority)
    return {"applied": row.applied, "duplicate": row.duplicate, "obsolete": row.obsolete}


def parked(consumer: str = "billing") -> QuerySet[Parked]:
    """Messages that wait for a person."""
    return Parked.objects.using(consumer).filter(state=Parked.State.PARKED)


def incidents(consumer: str = "billing", **filters: Any) -> QuerySet[Incident]:
    """Open incidents."""
    return Incident.objects.using(consumer).filter(closed_at=None, **filters)


def month(ahead: int = 0) -> str:
    """A month to invoice, as 2026-11: this one, or one so many months ahead."""
    today = timezone.now()
    years, number = divmod(today.month - 1 + ahead, 12)
    return f"{today.year + years}-{number + 1:02}"


def copies() -> int:
    """Count billing's copies of users."""
    return CachedUser.objects.using("billing").count()


def age() -> float:
    """Seconds since billing's copy was last confirmed to be caught up; 0 if it never was."""
    old = staleness.staleness("billing", "users")
    return old.total_seconds() if old else 0.0


def flagged(period: str) -> int:
    """Count a month's invoices that are flagged for review."""
    return Invoice.objects.using("billing").filter(period=period).exclude(review_reason="").count()
