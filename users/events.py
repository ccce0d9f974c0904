"""The events that `users` publishes. Each carries all facts about the user after the change, so the next event corrects a consumer
that missed one (event-carried state transfer, https://martinfowler.com/articles/201701-event-driven.html).

These classes are the contract: `manage.py write_contracts users` writes their JSON Schemas to `users/contracts/`. It also says if a
change is compatible, such as a new field with a default. A breaking change needs a new version of the type next to the old one.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field

from messaging.publisher import DomainEvent

#: The fields that erasing a user empties, in the row and in recorded events. A reason may name a person too.
PERSONAL = ("email", "name", "suspension_reason")


class UserFacts(DomainEvent):
    """A user, as the authority shows it to other contexts."""

    status: Literal["active", "suspended", "erased"] = Field(description="What the user may do now.")
    status_since: datetime = Field(description="When the status became what it is, by the authority's clock.")
    suspension_reason: str = Field(description="Why the user is suspended; empty otherwise.")
    email: str = Field(description="Personal data. The e-mail address; empty once erased.")
    name: str = Field(description="Personal data. The full name; empty once erased.")
    created_at: datetime = Field(description="When the user was registered.")


class UserCreated(UserFacts, wire="users.user.created.v1"):
    """A user was registered."""


class UserSuspended(UserFacts, wire="users.user.suspended.v1"):
    """A user was suspended, and must not be billed."""


class UserReactivated(UserFacts, wire="users.user.reactivated.v1"):
    """A suspended user is active again."""


class UserEmailChanged(UserFacts, wire="users.user.email_changed.v1"):
    """A user has another e-mail address."""


class UserErased(UserFacts, wire="users.user.erased.v1"):
    """A user's personal data was erased, for good. Consumers erase theirs."""
