"""Notifications' copy of users' facts. `CACHES` at the end is the wiring."""

from collections.abc import Sequence

from django.utils import timezone
from pydantic import BaseModel

from messaging.consumer import Cache, Event, Upserted, upsert_newer
from tests.contexts.notifications.models import Contact

DATABASE = "notifications"


class Reachable(BaseModel):
    """The fields of a user that notifications reads."""

    email: str
    name: str


def apply_contacts(events: Sequence[Event], source: str) -> Upserted:
    """Move the copy forward."""
    now = timezone.now()
    rows = [
        {
            "user_id": event.subject,
            "email": event.data.email,
            "name": event.data.name,
            "version": event.version,
            "source": source,
            "received_at": now,
        }
        for event in events
    ]
    return upsert_newer(Contact, rows, final=("email", ""), using=DATABASE)


CACHES = {
    "users": Cache(
        model=Contact,
        key="user_id",
        fields=("email", "name"),
        reads=Reachable,
        apply=apply_contacts,
        tombstone=("email", ""),
    ),
}
