"""The source `shadow`: the old source answers, and the cache's answer is only compared with it.

Each compared user is one shadow read. Reads that agree are counted; a read that differs is kept as a `ShadowMismatch`.
"""

from collections.abc import Sequence
from uuid import UUID

from billing.models import CachedUser
from billing.sources import reads
from billing.sources.base import Source, Standing
from messaging.settings import context

DATABASE = context("billing").alias
#: Rows of the cache to compare at a time.
AT_ONCE = 1000


class Shadow:
    """A `Source` that answers from the old source and compares the cache with it."""

    name = "shadow"
    is_copy = False

    def __init__(self, old: Source) -> None:
        self.old = old
        self.confirmed, self.skipped, self.undecided, self.close = old.confirmed, old.skipped, old.undecided, old.close

    @property
    def authority(self) -> str:
        return self.old.authority

    @property
    def calls(self) -> int:
        return self.old.calls

    @property
    def seconds(self) -> float:
        return self.old.seconds

    def after(self, user_id: UUID | None, limit: int) -> Sequence[Standing]:
        standings = self.old.after(user_id, limit)
        last = standings[-1].user_id if standings else None
        self._compare({standing.user_id: standing for standing in standings}, user_id, last)
        return standings

    def one(self, user_id: UUID) -> Standing | None:
        standing = self.old.one(user_id)
        cached = CachedUser.objects.using(DATABASE).filter(pk=user_id).first()
        reads.note(self.old.name, [(user_id, standing, _standing(cached))])
        return standing

    def _compare(self, told: dict[UUID, Standing], after: UUID | None, last: UUID | None) -> None:
        """Compare all users after `after`, up to `last` (None: the end), that the old source or the cache knows."""
        while True:
            rows = CachedUser.objects.using(DATABASE).order_by("user_id")
            rows = rows if after is None else rows.filter(user_id__gt=after)
            rows = rows if last is None else rows.filter(user_id__lte=last)
            page = list(rows[:AT_ONCE])
            cached = {row.user_id: _standing(row) for row in page}
            whole = len(page) < AT_ONCE
            # If the page is full, users after its last row are compared with the next page.
            here = {user for user in told if whole or user <= page[-1].user_id}
            both = [(user, told.get(user), cached.get(user)) for user in sorted(here | set(cached))]
            reads.note(self.old.name, both)
            if whole:
                return
            after, told = page[-1].user_id, {user: told[user] for user in told if user not in here}


def _standing(row: CachedUser | None) -> Standing | None:
    return Standing(row.user_id, row.status, row.version) if row else None
