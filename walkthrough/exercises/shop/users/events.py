"""The events that `users` publishes. Each carries all facts about the user after the change."""

from datetime import datetime
from typing import Literal

from messaging.publisher import DomainEvent


class UserFacts(DomainEvent):
    status: Literal["active", "suspended"]
    status_since: datetime
    plan: str


class UserRegistered(UserFacts, wire="users.user.registered.v1"):
    """A user was registered."""


class UserSuspended(UserFacts, wire="users.user.suspended.v1"):
    """A user was suspended, and must not be billed."""


class UserSuspendedV2(DomainEvent, wire="users.user.suspended.v2"):
    """The same change, with other fields."""

    blocked: bool
    since: datetime
    plan: str


class UserReactivated(UserFacts, wire="users.user.reactivated.v1"):
    """A suspended user is active again."""


class UserPlanChanged(UserFacts, wire="users.user.plan_changed.v1"):
    """A user has another plan."""


def facts(user: "object", kind: type[UserFacts]) -> UserFacts:
    """Return an event of this kind with the user's present state."""
    return kind(**{name: getattr(user, name) for name in UserFacts.model_fields})
