"""All reads of billing's tables."""

from collections.abc import Iterable
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Count, Exists, Model, OuterRef, QuerySet

from billing.models import CachedUser, Cutover, Invoice
from messaging.settings import context

DATABASE = context("billing").alias
M = TypeVar("M", bound=Model)


def cached_users_by_id(*, ids: Iterable[UUID]) -> dict[UUID, CachedUser]:
    """Return the cached users with these ids, by id. Unknown users are left out."""
    return CachedUser.objects.using(DATABASE).in_bulk(list(ids))


def cached_users_count_by_status() -> dict[str, int]:
    """Return the number of cached users of each status."""
    rows: Any = CachedUser.objects.using(DATABASE).order_by().values_list("status").annotate(number=Count("pk"))
    return dict(rows)


def active_users_after(*, after: UUID | None, limit: int) -> list[tuple[UUID, str, int]]:
    """Return (id, status, version) of the active users after this one, ordered by id; None starts at the first."""
    return list(_active(after).order_by("user_id").values_list("user_id", "status", "version")[:limit])


def known_users_after(*, after: UUID | None, limit: int) -> list[UUID]:
    """Return the next users that billing has invoiced or has a copy of, ordered by id."""
    found: set[UUID] = set()
    for model in (Invoice, CachedUser):
        rows = _behind(model.objects.using(DATABASE).order_by("user_id"), after)  # type: ignore[attr-defined]
        found.update(rows.values_list("user_id", flat=True).distinct()[:limit])
    return sorted(found)[:limit]


def known_uninvoiced_count(*, period: str, after: UUID | None) -> int:
    """Count the users after this one that billing has invoiced or has a copy of, and that lack an invoice for this month."""
    invoiced = Exists(Invoice.objects.filter(period=period, user_id=OuterRef("user_id")))
    cached = Exists(CachedUser.objects.filter(user_id=OuterRef("user_id")))
    copies = _behind(CachedUser.objects.using(DATABASE), after).exclude(invoiced)
    others = _behind(Invoice.objects.using(DATABASE).order_by(), after).exclude(cached).exclude(invoiced)
    return copies.count() + others.values("user_id").distinct().count()


def cutover() -> Cutover:
    """Return the source that billing reads users from: an unsaved row with the default if none was chosen."""
    return Cutover.objects.using(DATABASE).first() or Cutover()


def uninvoiced(*, period: str, ids: Iterable[UUID]) -> set[UUID]:
    """Return those users that have no invoice for this month."""
    wanted = set(ids)
    return wanted - set(Invoice.objects.using(DATABASE).filter(period=period, user_id__in=wanted).values_list("user_id", flat=True))


def uninvoiced_count(*, period: str, after: UUID | None = None) -> int:
    """Count the active users after this one that have no invoice for this month."""
    return _active(after).exclude(Exists(Invoice.objects.filter(period=period, user_id=OuterRef("user_id")))).count()


def _active(after: UUID | None) -> QuerySet[CachedUser]:
    return _behind(CachedUser.objects.using(DATABASE).filter(status=CachedUser.Status.ACTIVE), after)


def _behind(rows: "QuerySet[M]", after: UUID | None) -> "QuerySet[M]":
    return rows if after is None else rows.filter(user_id__gt=after)


def invoices_newest(*, limit: int) -> QuerySet[Invoice]:
    """Return the invoices that were issued last."""
    return Invoice.objects.using(DATABASE).all()[:limit]
