"""Every way to read users."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from messaging.settings import context
from users.models import User

DATABASE = context("users").alias


def users_newest(*, limit: int) -> QuerySet[User]:
    """The users that were registered last."""
    return User.objects.using(DATABASE).all()[:limit]


def users_by_id(*, ids: Iterable[UUID]) -> dict[UUID, User]:
    """The users with these ids, by id; unknown ids are left out."""
    return User.objects.using(DATABASE).in_bulk(list(ids))


def users_count_by_status() -> dict[str, int]:
    """Status to number of users."""
    rows: Any = User.objects.using(DATABASE).order_by().values_list("status").annotate(number=Count("pk"))
    return dict(rows)
