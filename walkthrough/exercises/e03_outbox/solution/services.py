"""Changes to users. Each commits together with its events."""

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from messaging.publisher import Record, record, record_many
from walkthrough.exercises.shop.users import events
from walkthrough.exercises.shop.users.models import User


def user_suspend(*, user_id: uuid.UUID) -> User:
    """Suspend a user."""
    with transaction.atomic(using="users"):
        user = User.objects.select_for_update().get(pk=user_id)
        user.status, user.status_since = User.Status.SUSPENDED, timezone.now()
        user.save()
        record(events.facts(user, events.UserSuspended), subject=user.pk, using="users")
    return user


def user_change_plan(*, user_id: uuid.UUID, plan: str) -> User:
    """Give a user another plan."""
    with transaction.atomic(using="users"):
        user = User.objects.select_for_update().get(pk=user_id)
        user.plan = plan
        user.save()
        record(events.facts(user, events.UserPlanChanged), subject=user.pk, using="users")
    return user


def users_suspend(*, user_ids: Sequence[uuid.UUID]) -> int:
    """Suspend those of these users that are active. Returns their number."""
    with transaction.atomic(using="users"):
        users = list(User.objects.select_for_update().filter(pk__in=user_ids, status=User.Status.ACTIVE))
        for user in users:
            user.status, user.status_since = User.Status.SUSPENDED, timezone.now()
        User.objects.bulk_update(users, ["status", "status_since"])
        record_many([Record(events.facts(user, events.UserSuspended), user.pk) for user in users], using="users")
    return len(users)
