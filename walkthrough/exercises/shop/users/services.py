"""All changes to users. Each writes the row and records its event in one transaction."""

import uuid

from django.db import transaction
from django.utils import timezone

from messaging.publisher import record
from walkthrough.exercises.shop.users import events
from walkthrough.exercises.shop.users.models import User


def user_register(*, email: str, plan: str = "basic") -> User:
    with transaction.atomic(using="users"):
        user = User.objects.create(email=email, plan=plan)
        record(events.facts(user, events.UserRegistered), subject=user.pk, using="users")
    return user


def user_suspend(*, user_id: uuid.UUID) -> User:
    return _changed(user_id, events.UserSuspended, status="suspended", status_since=timezone.now())


def user_reactivate(*, user_id: uuid.UUID) -> User:
    return _changed(user_id, events.UserReactivated, status="active", status_since=timezone.now())


def user_change_plan(*, user_id: uuid.UUID, plan: str) -> User:
    return _changed(user_id, events.UserPlanChanged, plan=plan)


def _changed(user_id: uuid.UUID, kind: type[events.UserFacts], **values: object) -> User:
    with transaction.atomic(using="users"):
        user = User.objects.select_for_update().get(pk=user_id)
        for name, value in values.items():
            setattr(user, name, value)
        user.save()
        record(events.facts(user, kind), subject=user.pk, using="users")
    return user
