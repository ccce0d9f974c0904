"""The facts about teams that other contexts may copy."""

from django.db.models import F

from messaging.publisher import DomainEvent, Feed
from walkthrough.exercises.shop.users.models import Team


class TeamFacts(DomainEvent):
    name: str
    seats: int


class TeamChanged(TeamFacts, wire="users.team.changed.v1"):
    """A team is new, or has changed."""


FEED = Feed(
    model=Team,
    aggregate="users.team",
    facts=TeamFacts,
    fields={"seats": F("seats_paid") + F("seats_free")},
    ignore=("last_seen",),
    keeps_gone=False,
)
