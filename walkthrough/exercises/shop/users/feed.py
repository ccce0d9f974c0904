"""The facts about users that other contexts may copy."""

from messaging.publisher import CHANGED_AT, DomainEvent, Feed
from walkthrough.exercises.shop.users import events
from walkthrough.exercises.shop.users.models import User


def announces(facts: DomainEvent, first: bool) -> type[DomainEvent]:
    if first:
        return events.UserRegistered
    return events.UserSuspended if getattr(facts, "status", "") == "suspended" else events.UserReactivated


FEED = Feed(
    model=User,
    facts=events.UserFacts,
    gone={"status": "suspended", "status_since": CHANGED_AT},
    announces=announces,
    keeps_gone=False,
)
