"""The users' statuses from the monolith's own table, for another context.

Billing's source `monolith` is the class `Users`, wired in by `settings.BILLING`. Neither imports the other; plain values cross.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db import InterfaceError, OperationalError, ProgrammingError
from django.db.models import QuerySet

from messaging.consumer import declared_caches
from messaging.errors import MessagingError
from messaging.ownership import follows
from messaging.publisher import positions
from messaging.replica import staleness
from messaging.settings import context
from monolith.models import User

DATABASE, CONTEXT, AGGREGATE = context("monolith").alias, "monolith", "monolith.user"
Row = tuple[uuid.UUID, str, int]
#: The greatest age of the table while it is a copy. The sync process (`tend`) updates it every second.
FRESH = timedelta(minutes=1)


class Outdated(MessagingError):
    """The users have moved to another context, and the table isn't up to date."""


class Users:
    """The monolith's users as (id, status, version), ordered by id."""

    authority = CONTEXT
    failures = (OperationalError, InterfaceError, ProgrammingError, Outdated)
    at_once = 0

    def __init__(self) -> None:
        self.calls = 0

    def after(self, user_id: uuid.UUID | None, limit: int) -> Sequence[Row]:
        """Return the users after this one, of any status; empty after the last. Raises `Outdated`."""
        _check()
        while ids := list(_behind(user_id).values_list("id", flat=True)[:limit]):
            if told := self._told(ids):
                return told
            user_id = ids[-1]  # all of them were deleted just now; more may follow
        return []

    def one(self, user_id: uuid.UUID) -> Row | None:
        """Return one user; None if unknown or deleted. Raises `Outdated`."""
        _check()
        return next(iter(self._told([user_id])), None)

    def close(self) -> None:
        pass

    def _told(self, ids: Sequence[uuid.UUID]) -> list[Row]:
        """Read versions before statuses. A change in between makes a status newer than its version, so at worst an invoice is
        flagged without need. In the opposite order, an invoice could be missed."""
        self.calls += 1
        found = positions(DATABASE, [(AGGREGATE, str(user_id)) for user_id in ids]) if ids else {}
        versions = {uuid.UUID(subject): version for (_, subject), (version, _) in found.items()}
        rows = User.objects.filter(id__in=ids).order_by("id").values_list("id", "status")
        return [(user_id, status, versions.get(user_id, 1)) for user_id, status in rows]


def _check() -> None:
    """Refuse an outdated copy. After a split the table is a copy that may decide while it is kept fresh. A retired table isn't
    updated any more."""
    if not follows(DATABASE, AGGREGATE):
        return
    owner = next(name for name, cache in declared_caches(CONTEXT).items() if cache.model._meta.label_lower == AGGREGATE)
    if staleness.doubt(CONTEXT, owner, FRESH):
        known = staleness.measured(CONTEXT, owner)
        how = staleness.described(CONTEXT, owner) if known else "This table isn't kept up to date any more."
        raise Outdated(f"the users belong to {owner} now. {how}")


def _behind(user_id: uuid.UUID | None) -> "QuerySet[User]":
    rows = User.objects.order_by("id")
    return rows if user_id is None else rows.filter(id__gt=user_id)
