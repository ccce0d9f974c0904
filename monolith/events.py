"""What the monolith's feed shows. It announces nothing by itself: those who follow its tables pull."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from messaging.contracts import DomainEvent


class UserFacts(DomainEvent):
    """A row of `monolith_user`."""

    status: Literal["active", "suspended", "erased"] = Field(description="What the user may do now.")
    status_since: datetime = Field(description="When the status became what it is.")
    suspension_reason: str = Field(description="Why the user is suspended; empty otherwise.")
    email: str = Field(description="Personal data. The e-mail address; empty once erased.")
    name: str = Field(description="Personal data. The full name; empty once erased.")
    created_at: datetime = Field(description="When the user was registered.")


class UserChanged(UserFacts, wire="monolith.user.changed.v1"):
    """A row of `monolith_user` changed."""
