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


# 1. Here the reader `UserFactsV1` and the function `to_v2` are missing.


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
        reads=UserFactsV2,  # 3. The feed has the fields of version 1.
        apply=apply_users,
    ),
}
