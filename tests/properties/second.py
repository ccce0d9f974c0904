"""A second consumer with other fields than billing's, in a database that these tests don't need otherwise (the monolith's).

tests/contexts has a whole context with its own processes; this one only has to be cheap.
"""

from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from django.apps.registry import Apps
from django.db import connections, models
from django.utils import timezone
from pydantic import BaseModel

from messaging.consumer.cache import Cache
from messaging.consumer.handlers import Event, Handler
from messaging.database.upsert import Upserted, upsert_newer

NAME = "monolith"


class Contact(models.Model):
    """A user's name and address. It has its own registry of models, so its app doesn't know it."""

    user_id = models.UUIDField(primary_key=True)
    email = models.CharField(max_length=254)
    name = models.CharField(max_length=200)
    version = models.BigIntegerField()
    source = models.CharField(max_length=10)
    received_at = models.DateTimeField()
    deleted = models.BooleanField(default=False)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        app_label = NAME
        apps = Apps()
        db_table = "properties_contact"

    def __str__(self) -> str:
        return f"{self.user_id} (v{self.version})"


class Reachable(BaseModel):
    """The fields of a user that it reads."""

    email: str
    name: str


def apply_contacts(events: Sequence[Event], source: str) -> Upserted:
    now = timezone.now()
    rows = [
        {
            "user_id": event.subject,
            "email": event.data.email,
            "name": event.data.name,
            "version": event.version,
            "source": source,
            "received_at": now,
            "deleted": event.deleted,
        }
        for event in events
    ]
    return upsert_newer(Contact, rows, final=("email", ""), deleted="deleted", using=NAME)


def apply_user_changes(events: Sequence[Event]) -> Upserted:
    return apply_contacts(events, "event")


@contextmanager
def table():
    """Create the copy's table during the block."""
    with connections[NAME].schema_editor() as editor:
        editor.create_model(Contact)
    try:
        yield
    finally:
        with connections[NAME].schema_editor() as editor:
            editor.delete_model(Contact)


CACHES = {
    "users": Cache(
        model=Contact,
        key="user_id",
        fields=("email", "name"),
        reads=Reachable,
        apply=apply_contacts,
        tombstone=("email", ""),
        deleted="deleted",
    ),
}
HANDLERS = {
    f"users.user.{kind}.v1": Handler(reads=Reachable, apply=apply_user_changes)
    for kind in ("created", "suspended", "reactivated", "email_changed", "erased")
}
