"""The facts about users that `users` publishes to other contexts."""

from uuid import UUID

from messaging.publisher import CHANGED_AT, DomainEvent, Feed
from users import events, services
from users.models import User


def announces(facts: DomainEvent, first: bool) -> type[DomainEvent]:
    """Return the event type for this state, when no event was recorded. Consumers need the state, not the steps to it."""
    status = getattr(facts, "status", "")
    if status == "erased":
        return events.UserErased
    if status == "suspended":
        return events.UserSuspended
    return events.UserCreated if first else events.UserReactivated


FEED = Feed(
    model=User,
    facts=events.UserFacts,
    gone={"status": "erased", "status_since": CHANGED_AT, "created_at": CHANGED_AT},
    announces=announces,
    fields={"email": "email"},  # personal data, so it is named; each consumer registers for its fields
    erase=lambda key: services.user_erase(user_id=UUID(key)),
)
