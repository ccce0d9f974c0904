"""Every way to read what billing has."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from billing.models import CachedUser, Invoice

DATABASE = "billing"


def cached_users_by_id(*, ids: Iterable[UUID]) -> dict[UUID, CachedUser]:
    """The cache's rows for these users, by id; users that billing doesn't know are left out."""
    return CachedUser.objects.using(DATABASE).in_bulk(list(ids))


def cached_users_count_by_status() -> dict[str, int]:
    """Status to number of cached users."""
    rows: Any = CachedUser.objects.using(DATABASE).order_by().values_list("status").annotate(number=Count("pk"))
    return dict(rows)


def invoices_newest(*, limit: int) -> QuerySet[Invoice]:
    """The invoices that were issued last."""
    return Invoice.objects.using(DATABASE).all()[:limit]
