"""Every way to read what billing has."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, QuerySet

from billing.models import CachedUser, Invoice

DATABASE = "billing"


def cached_users_by_id(*, ids: Iterable[UUID]) -> dict[UUID, CachedUser]:
    """The cache's rows for these users, by id; users that billing doesn't know are left out."""
    return CachedUser.objects.using(DATABASE).in_bulk(list(ids))


def cached_users_count_by_status() -> dict[str, int]:
    """Status to number of cached users."""
    rows: Any = CachedUser.objects.using(DATABASE).order_by().values_list("status").annotate(number=Count("pk"))
    return dict(rows)


def active_users_after(*, after: UUID | None, limit: int) -> list[UUID]:
    """The next active users, in the order of their ids; from the first where `after` is None."""
    return list(_active(after).order_by("user_id").values_list("user_id", flat=True)[:limit])


def uninvoiced(*, period: str, ids: Iterable[UUID]) -> set[UUID]:
    """Those of the users who have no invoice for a month."""
    wanted = set(ids)
    return wanted - set(Invoice.objects.using(DATABASE).filter(period=period, user_id__in=wanted).values_list("user_id", flat=True))


def uninvoiced_count(*, period: str, after: UUID | None = None) -> int:
    """How many active users, behind this one, have no invoice for a month."""
    return _active(after).exclude(Exists(Invoice.objects.filter(period=period, user_id=OuterRef("user_id")))).count()


def _active(after: UUID | None) -> QuerySet[CachedUser]:
    active = CachedUser.objects.using(DATABASE).filter(status=CachedUser.Status.ACTIVE)
    return active if after is None else active.filter(user_id__gt=after)


def invoices_newest(*, limit: int) -> QuerySet[Invoice]:
    """The invoices that were issued last."""
    return Invoice.objects.using(DATABASE).all()[:limit]
