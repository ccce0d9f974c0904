"""What the monolith shows of its tables to those who follow it out: the same declaration as any authority's."""

from messaging.feeds import CHANGED_AT, Feed
from monolith.events import UserChanged, UserFacts
from monolith.models import User

USERS = Feed(
    model=User,
    facts=UserFacts,
    gone={"status": "erased", "status_since": CHANGED_AT, "created_at": CHANGED_AT},
    announces=lambda facts, first: UserChanged,
)
