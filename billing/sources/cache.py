"""The source `cache`: billing's own copy. It works while other contexts are down, so its age must be judged."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet

from billing import selectors
from billing.models import CachedUser
from billing.sources.base import Standing
from messaging.settings import context

DATABASE = context("billing").alias


class Cache:
    """A `Source` that reads billing's own copy."""

    name = "cache"
    is_copy = True
    authority = "users"
    calls = 0
    seconds = 0.0

    def after(self, user_id: UUID | None, limit: int) -> Sequence[Standing]:
        return [Standing(*row) for row in selectors.active_users_after(after=user_id, limit=limit)]

    def one(self, user_id: UUID) -> Standing | None:
        return next(iter(_standings(CachedUser.objects.using(DATABASE).filter(pk=user_id))), None)

    def confirmed(self, standings: Sequence[Standing]) -> Sequence[Standing]:
        ids = [standing.user_id for standing in standings]
        active = CachedUser.objects.using(DATABASE).filter(status=CachedUser.Status.ACTIVE, user_id__in=ids)
        return _standings(active.order_by("user_id").select_for_update())

    def skipped(self, first: UUID | None, last: UUID | None) -> int:
        rows = CachedUser.objects.using(DATABASE).exclude(status=CachedUser.Status.ACTIVE)
        rows = rows if first is None else rows.filter(user_id__gt=first)
        return (rows if last is None else rows.filter(user_id__lte=last)).count()

    def undecided(self, period: str, after: UUID | None) -> int:
        return selectors.uninvoiced_count(period=period, after=after)

    def close(self) -> None:
        pass


def _standings(rows: "QuerySet[CachedUser]") -> list[Standing]:
    return [Standing(*row) for row in rows.values_list("user_id", "status", "version")]
