"""Billing's copy of the users."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from messaging.consumer import Cache, Event, Upserted, upsert_newer
from messaging.settings import context
from walkthrough.exercises.shop.billing.models import CachedUser

DATABASE = context("billing").alias


class UserFacts(BaseModel):
    """The fields of a user that billing reads, and the only ones that it gets."""

    status: str
    status_since: datetime


def apply_users(events: Sequence[Event], source: str) -> Upserted:
    """Move the copy forward to the state in these events."""
    return upsert_newer(
        CachedUser,
        [
            {
                "user_id": event.subject,
                "status": event.data.status,
                "status_since": event.data.status_since,
                "version": event.version,
                "source": source,
            }
            for event in events
        ],
        using=DATABASE,
    )


CACHES = {
    "users": Cache(model=CachedUser, key="user_id", fields=("status", "status_since"), reads=UserFacts, apply=apply_users),
}
