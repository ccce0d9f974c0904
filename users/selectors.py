"""All reads of users."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from messaging.settings import context
from users.models import User

DATABASE = context("users").alias


def users_newest(*, limit: int) -> QuerySet[User]:
    """Return the users that registered last."""
    return User.objects.using(DATABASE).all()[:limit]


def users_by_id(*, ids: Iterable[UUID]) -> dict[UUID, User]:
    """Return the users with these ids, by id. Unknown ids are left out."""
    return User.objects.using(DATABASE).in_bulk(list(ids))


def users_count_by_status() -> dict[str, int]:
    """Return the number of users of each status."""
    rows: Any = User.objects.using(DATABASE).order_by().values_list("status").annotate(number=Count("pk"))
    return dict(rows)
