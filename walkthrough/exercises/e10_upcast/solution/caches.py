"""Billing's copy of the users."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from messaging.consumer import Cache, Event, Upserted, upsert_newer
from messaging.settings import context
from walkthrough.exercises.shop.billing.models import CachedUser

DATABASE = context("billing").alias


class UserFactsV2(BaseModel):
    """The newest version, and the only one that `apply_users` knows."""

    blocked: bool
    since: datetime
    plan: str


class UserFactsV1(BaseModel):
    """Version 1. Its first events had no plan, because all users had the same."""

    status: str
    status_since: datetime
    plan: str = "basic"


def to_v2(old: UserFactsV1) -> UserFactsV2:
    return UserFactsV2(blocked=old.status != "active", since=old.status_since, plan=old.plan)


def apply_users(events: Sequence[Event], source: str) -> Upserted:
    """Move the copy forward to the state in these events."""
    return upsert_newer(
        CachedUser,
        [
            {
                "user_id": event.subject,
                "status": "suspended" if event.data.blocked else "active",
                "status_since": event.data.since,
                "plan": event.data.plan,
                "version": event.version,
                "source": source,
            }
            for event in events
        ],
        using=DATABASE,
    )


CACHES = {
    "users": Cache(
        model=CachedUser,
        key="user_id",
        fields=("status", "status_since", "plan"),
        reads=UserFactsV1,  # the feed has the fields of version 1
        upcast=to_v2,
        apply=apply_users,
    ),
}
