"""The last events of both contexts, each with its way: recorded, sent, received."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.models import Published, Received

from messaging.models import Consumer, Parked
from users.selectors import users_by_id
from walkthrough.presentation import EVENTS, age

WORDS = {
    "users.user.created.v1": "User registered",
    "users.user.suspended.v1": "User suspended",
    "users.user.reactivated.v1": "User reactivated",
    "users.user.email_changed.v1": "E-mail address changed",
    "users.user.erased.v1": "User erased",
    "billing.invoice.issued.v1": "Invoice issued",
    "billing.invoice.overdue.v1": "Invoice overdue",
    "billing.invoice.flagged.v1": "Invoice flagged for review",
}
CONTEXTS = ("users", "billing")


@dataclass(frozen=True)
class Step:
    """One station: what happened there, and whether it is `done`, still to come (`open`) or went wrong (`bad`)."""

    words: str
    state: str


@dataclass(frozen=True)
class Event:
    """A recorded event. `steps`: recorded, sent, then one for each consumer that takes its type."""

    id: str
    context: str
    words: str
    about: str
    version: int | None
    age: str
    cause: str
    steps: list[Step]


def events() -> list[Event]:
    """The last events, newest first. At most nine queries."""
    recorded = [(name, row) for name in CONTEXTS for row in Published.objects.using(name).order_by("-added")[:EVENTS]]
    recorded = sorted(recorded, key=lambda pair: pair[1].added, reverse=True)[:EVENTS]
    readers = {name: list(Consumer.objects.using(name)) for name in CONTEXTS}
    arrived = {name: _arrived(name, [str(row.pk) for _, row in recorded]) for name in CONTEXTS}
    kept = {name: _kept(name, [str(row.pk) for _, row in recorded]) for name in CONTEXTS}
    causes = _causes(str(_of(row, "causationid")) for _, row in recorded)
    names = _names(recorded)
    now = timezone.now()
    return [
        Event(
            id=str(row.pk),
            context=context,
            words=words(row.destination),
            about=names.get(_about(row), _about(row)[:8]),
            version=_of(row, "aggregateversion") or None,
            age=age(row.added, now),
            cause=causes.get(str(_of(row, "causationid")), "an earlier event" if _of(row, "causationid") else ""),
            steps=[Step("recorded", "done"), *_way(row, readers[context], arrived, kept)],
        )
        for context, row in recorded
    ]


def words(wire: str) -> str:
    """An event type in plain words."""
    parts = wire.split(".")
    return WORDS.get(wire) or " ".join(parts[1:3] if len(parts) > 3 else parts).replace("_", " ").capitalize()
