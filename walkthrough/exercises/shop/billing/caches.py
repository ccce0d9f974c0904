"""Billing's copy of the users."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from messaging.consumer import Cache, Event, Upserted, upsert_newer
from messaging.settings import context
from walkthrough.exercises.shop.billing.models import CachedUser

DATABASE = context("billing").alias


class UserFacts(BaseModel):
    """The fields of a user that billing reads."""

    status: str
    status_since: datetime
    plan: str


def apply_users(events: Sequence[Event], source: str) -> Upserted:
    """Move the copy forward to the state in these events."""
    rows = [{"user_id": event.subject, "version": event.version, "source": source, **event.data.model_dump()} for event in events]
    return upsert_newer(CachedUser, rows, using=DATABASE)


CACHES = {
    "users": Cache(model=CachedUser, key="user_id", fields=("status", "status_since", "plan"), reads=UserFacts, apply=apply_users)
}
