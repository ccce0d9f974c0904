"""A narrow interface for one deploy: users hands over its suspended users once, and nothing else.

It lives for one release. When its work is done, `manage.py import_suspended` refuses and names the files to delete.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from django.utils import timezone

from billing.models import CachedUser
from messaging.database.upsert import Upserted, upsert_newer
from messaging.ledger import ledger
from messaging.models import Subscription
from users.feed import FEED
from users.models import User

BATCH = 1000
State = Subscription.State


class Suspended(NamedTuple):
    user_id: UUID
    since: datetime
    version: int


class ProvidesSuspendedUsers(Protocol):
    """Everything that users promises for this deploy."""

    def suspended_users(self) -> Iterator[list[Suspended]]:
        """The suspended users, in batches."""


class Users:
    """The implementation by users."""

    def suspended_users(self) -> Iterator[list[Suspended]]:
        rows = User.objects.using("users").filter(status=User.Status.SUSPENDED).order_by("id")
        for start in range(0, rows.count(), BATCH):
            batch = list(rows[start : start + BATCH])
            versions = ledger.positions("users", [(FEED.aggregate, str(user.pk)) for user in batch])
            yield [Suspended(user.pk, user.status_since, versions[FEED.aggregate, str(user.pk)][0]) for user in batch]


class NotNow(Exception):
    """It is too early or too late to import. The text may be shown."""


def import_suspended(source: ProvidesSuspendedUsers) -> int:
    """Import them into billing's copy; returns how many. Raises `NotNow`.

    Billing must receive events first. Otherwise a user suspended between this list and the first event would be in neither.
    """
    row = Subscription.objects.using("billing").filter(authority="users").first()
    if row is None or row.state != State.LIVE:
        raise NotNow(
            "Billing doesn't receive events yet, so a user suspended during the import would be missed. First run: "
            "manage.py bootstrap billing --from users --from-now"
        )
    if not row.partial:
        raise NotNow(
            "Billing has the whole copy and doesn't need this interface. Delete walkthrough/scenarios/one_time_import.py and "
            "walkthrough/management/commands/import_suspended.py."
        )
    return sum(len(_take(batch).applied) for batch in source.suspended_users())


def _take(batch: list[Suspended]) -> Upserted:
    now = timezone.now()
    rows = [
        {
            "user_id": one.user_id,
            "status": CachedUser.Status.SUSPENDED.value,
            "status_since": one.since,
            "version": one.version,
            "source": CachedUser.Source.BOOTSTRAP.value,
            "authority_time": one.since,
            "received_at": now,
        }
        for one in batch
    ]
    return upsert_newer(CachedUser, rows, final=("status", "erased"), using="billing")
