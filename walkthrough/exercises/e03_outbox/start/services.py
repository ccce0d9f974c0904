"""Changes to users. Each should commit together with its events."""

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from messaging.publisher import record
from walkthrough.exercises.shop.users import events
from walkthrough.exercises.shop.users.models import User


def user_suspend(*, user_id: uuid.UUID) -> User:
    """Suspend a user."""
    with transaction.atomic(using="users"):
        user = User.objects.select_for_update().get(pk=user_id)
        user.status, user.status_since = User.Status.SUSPENDED, timezone.now()
        user.save()
    # 1. A crash here loses the event.
    with transaction.atomic(using="users"):
        record(events.facts(user, events.UserSuspended), subject=user.pk, using="users")
    return user


def user_change_plan(*, user_id: uuid.UUID, plan: str) -> User:
    """Give a user another plan."""
    with transaction.atomic(using="users"):
        user = User.objects.select_for_update().get(pk=user_id)
        user.plan = plan
        user.save()
        # 2. This records no event.
    return user


def users_suspend(*, user_ids: Sequence[uuid.UUID]) -> int:
    """Suspend those of these users that are active. Returns their number."""
    # 3. `update()` records nothing.
    active = User.objects.filter(pk__in=user_ids, status=User.Status.ACTIVE)
    return active.update(status=User.Status.SUSPENDED, status_since=timezone.now())
