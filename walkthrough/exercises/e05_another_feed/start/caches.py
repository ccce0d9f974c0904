"""Billing's copy of the teams."""

from collections.abc import Sequence

from pydantic import BaseModel

from messaging.consumer import Cache, Event, Upserted, upsert_newer
from messaging.settings import context
from walkthrough.exercises.shop.billing.models import CachedTeam

DATABASE = context("billing").alias


class TeamFacts(BaseModel):
    """The fields of a team that billing reads."""

    name: str
    seats: int


def apply_teams(events: Sequence[Event], source: str) -> Upserted:
    """Move the copy forward to the state in these events."""
    rows = [{"team_id": int(event.subject), "version": event.version, **event.data.model_dump()} for event in events]
    return upsert_newer(CachedTeam, rows, using=DATABASE)


CACHES: dict[str, Cache] = {}
