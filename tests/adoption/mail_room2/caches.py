"""How changes reach the mail room's copies."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from messaging.consumer import Cache, Event, Upserted, upsert_newer
from messaging.publisher import Moment
from tests.adoption.mail_room2.models import Badge, Person

DATABASE = "mail_room2"


class PersonFacts(BaseModel):
    login: str
    full_name: str
    email: str
    staff: bool
    active: bool
    last_login: Moment | None
    joined: Moment


class BadgeFacts(BaseModel):
    fee: Decimal
    deposit: Decimal
    valid_from: date


def apply_people(events: Sequence[Event], source: str = "event") -> Upserted:
    rows: list[dict[str, Any]] = [
        {"person_id": event.subject, "version": event.version, "deleted": event.deleted, **event.data.model_dump()}
        for event in events
    ]
    return upsert_newer(Person, rows, final=("active", False), deleted="deleted", using=DATABASE)


def apply_badges(events: Sequence[Event], source: str = "event") -> Upserted:
    """A deleted badge has no fee, and leaves the copy."""
    gone = [event.subject for event in events if event.deleted]
    Badge.objects.using(DATABASE).filter(pk__in=gone).delete()
    rows = [{"code": event.subject, "version": event.version, **event.data.model_dump()} for event in events if not event.deleted]
    return upsert_newer(Badge, rows, using=DATABASE)


CACHES = {
    "accounts": Cache(
        model=Person,
        key="person_id",
        fields=tuple(PersonFacts.model_fields),
        reads=PersonFacts,
        apply=apply_people,
        tombstone=("active", False),
        deleted="deleted",
    ),
    "accounts_badges": Cache(model=Badge, key="code", fields=tuple(BadgeFacts.model_fields), reads=BadgeFacts, apply=apply_badges),
}
