"""A narrow interface for one deploy: users hands over its suspended users, and nothing else, once.

It lives for one release. `manage.py import_suspended` refuses where its work is done, and says that it may be deleted.
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
    """All that users promises for this deploy."""

    def suspended_users(self) -> Iterator[list[Suspended]]:
        """The suspended users, in batches."""


class Users:
    """Users' side of it."""

    def suspended_users(self) -> Iterator[list[Suspended]]:
        rows = User.objects.using("users").filter(status=User.Status.SUSPENDED).order_by("id")
        for start in range(0, rows.count(), BATCH):
            batch = list(rows[start : start + BATCH])
            versions = ledger.positions("users", [(FEED.label, str(user.pk)) for user in batch])
            yield [Suspended(user.pk, user.status_since, versions[FEED.label, str(user.pk)][0]) for user in batch]


class NotNow(Exception):
    """It is too early or too late for an import. The text may be shown."""


def import_suspended(source: ProvidesSuspendedUsers) -> int:
    """Take them over into billing's copy; returns how many. Raises `NotNow`.

    Billing listens first: who is suspended between this list and the first event would otherwise be in neither.
    """
    row = Subscription.objects.using("billing").filter(pk="users").first()
    if row is None or row.state != State.LIVE:
        raise NotNow(
            "Billing doesn't listen yet, so what changes now would be in no list and no event. First: "
            "bootstrap billing --from users --from-now"
        )
    if not row.partial:
        raise NotNow(
            "Billing has the whole copy. This interface has done its work: delete walkthrough/scenarios/one_time_import.py and "
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
