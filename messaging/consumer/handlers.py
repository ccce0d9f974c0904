"""A context's handlers: a literal table at the end of its `handlers.py` maps each event type to a `Handler`."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from django.utils.module_loading import import_string
from pydantic import BaseModel, ValidationError

from messaging import settings
from messaging.database.upsert import Upserted
from messaging.errors import InvalidEnvelope, UnknownHandler
from messaging.events.text import kind
from messaging.events.tracing import Trace, tracing


class Event(NamedTuple):
    """An event as a handler sees it."""

    #: The event's id, the same at every redelivery.
    id: str
    #: The context that published it.
    source: str
    #: The wire type, as in `users.user.suspended.v1`.
    type: str
    #: The aggregate's id, as text.
    subject: str
    #: The aggregate's version after this change.
    version: int
    #: When it happened, by the publisher's clock.
    time: datetime
    #: The id that all events of one request share.
    correlation: str
    #: The id of the event that caused this one; None if none did.
    causation: str | None
    #: The change's place in the authority's feed; None if the event carries none.
    position: int | None
    #: What the handler read: an instance of the reader that its `apply` knows.
    data: Any
    #: The mark of the position's stamping round, and of the round before (`messaging.ledger.marks`); empty if none were sent.
    mark: str = ""
    previous_mark: str = ""
    #: True for the tombstone of a row that was deleted, not erased: a new row with the same id may come.
    deleted: bool = False
    #: True for a change that is no news, so that `apply` only writes its row: a bootstrap's snapshot has it, or a repair brings it
    #: again (`messaging.consumer.checkpoints.old_positions`). Always False for an event from the broker.
    old: bool = False

    @property
    def uuid(self) -> uuid.UUID:
        """Return the subject as a UUID, for aggregates whose id is one."""
        return uuid.UUID(self.subject)

    def tracing(self) -> AbstractContextManager[Trace]:
        """Let events that are recorded inside this context manager name this event as their cause."""
        return tracing(self.correlation, self.id)


@dataclass(frozen=True)
class Handler:
    """How a context reads and applies events of one type."""

    #: The consumer's own tolerant reader, with only the fields it uses. For an older version: that version's reader.
    reads: type[BaseModel]
    #: Applies a batch of events. Returns which of them counted, or None if all did.
    apply: Callable[[Sequence[Event]], Upserted | None]
    #: Call `apply` with one event at a time, each as the cause of the events that it triggers.
    each: bool = False
    #: For an older version of a type: turns what `reads` read into the newest version's reader, the only one that `apply` knows.
    upcast: Callable[[Any], BaseModel] | None = None

    def read(self, data: Mapping[str, Any]) -> BaseModel:
        """Read an envelope's data for `apply`. Raises `ValidationError`, or `InvalidEnvelope` if `upcast` fails."""
        facts = self.reads.model_validate(data)
        if self.upcast is None:
            return facts
        try:
            return self.upcast(facts)
        except ValidationError:
            raise
        except Exception as error:  # without its text, which may quote personal data
            raise InvalidEnvelope(f"The event can't be upcast to the newest version: {kind(error)}.") from error


@cache
def table(context: str) -> Mapping[str, Handler]:
    """Return a context's handlers, by event type."""
    path = settings.handlers_path(context)
    handlers: Mapping[str, Handler] = import_string(path) if path else {}
    return handlers


def handler_for(context: str, event_type: str) -> Handler:
    """Return the handler of an event type. Raises `UnknownHandler` if the context lists none."""
    try:
        return table(context)[event_type]
    except KeyError:
        raise UnknownHandler(f"{context} lists no handler for {event_type}.") from None


def wanted(consumer: str, authority: str) -> tuple[list[str], list[str]] | None:
    """Return the event types of an authority that a consumer handles, and the fields it reads; None if it runs elsewhere."""
    if consumer not in settings.contexts():
        return None
    read = {wire: handler for wire, handler in table(consumer).items() if wire.startswith(f"{authority}.")}
    fields = {field.alias or name for handler in read.values() for name, field in handler.reads.model_fields.items()}
    return sorted(read), sorted(fields)


def run(handler: Handler, events: Sequence[Event]) -> tuple[int, set[str]]:
    """Apply the events. Returns how many were obsolete, and the ids of those that may have changed something."""
    if not handler.each:
        return _run(handler, events)
    obsolete, moved = 0, set[str]()
    for event in events:
        with event.tracing():
            old, new = _run(handler, [event])
        obsolete, moved = obsolete + old, moved | new
    return obsolete, moved


def _run(handler: Handler, events: Sequence[Event]) -> tuple[int, set[str]]:
    outcome = handler.apply(events)
    if outcome is None:
        return 0, {event.id for event in events}
    applied = {str(key) for key in outcome.applied}
    return outcome.obsolete, {event.id for event in events if event.subject in applied}
