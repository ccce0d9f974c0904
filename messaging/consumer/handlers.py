"""What a context does with the events it gets: a literal table, event type to handler, at the end of its `handlers.py`."""

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
    """An event as a handler sees it. `data` is an instance of the handler's own reader model."""

    id: str
    source: str
    type: str
    subject: str
    version: int
    time: datetime
    correlation: str
    causation: str | None
    position: int | None
    data: Any
    #: The marks of the position's round, and of the one before (`messaging.ledger.marks`); empty where the authority sent none.
    mark: str = ""
    previous_mark: str = ""
    #: It tells a tombstone, and of a row that was deleted and not erased: one with the same id may come.
    deleted: bool = False

    @property
    def uuid(self) -> uuid.UUID:
        """The subject, for aggregates whose id is a UUID."""
        return uuid.UUID(self.subject)

    def tracing(self) -> AbstractContextManager[Trace]:
        """Events recorded inside name this one as their cause."""
        return tracing(self.correlation, self.id)


@dataclass(frozen=True)
class Handler:
    """`reads`: the consumer's own tolerant reader, with only the fields it uses. `apply`: takes a batch of events and says what
    came of it, or None where all of them counted. `each`: hand them over one by one, each as the cause of what it triggers.

    `upcast`: the upcaster of an older version of a type. `reads` is then that version's reader, and `upcast` makes of what it read
    what `apply` knows: an instance of the newest version's reader. So `apply` knows one version, whatever arrives."""

    reads: type[BaseModel]
    apply: Callable[[Sequence[Event]], Upserted | None]
    each: bool = False
    upcast: Callable[[Any], BaseModel] | None = None

    def read(self, data: Mapping[str, Any]) -> BaseModel:
        """An envelope's data as `apply` takes it. Raises `ValidationError`, and `InvalidEnvelope` where `upcast` fails."""
        facts = self.reads.model_validate(data)
        if self.upcast is None:
            return facts
        try:
            return self.upcast(facts)
        except ValidationError:
            raise
        except Exception as error:  # without its text: it may hold what the event holds
            raise InvalidEnvelope(f"The event can't be lifted to the newest version: {kind(error)}.") from error


@cache
def table(context: str) -> Mapping[str, Handler]:
    """A context's handlers, event type to handler."""
    handlers: Mapping[str, Handler] = import_string(settings.handlers_path(context))
    return handlers


def handler_for(context: str, event_type: str) -> Handler:
    """The handler of an event type; `UnknownHandler` where the context lists none."""
    try:
        return table(context)[event_type]
    except KeyError:
        raise UnknownHandler(f"{context} lists no handler for {event_type}.") from None


def wanted(consumer: str, authority: str) -> tuple[list[str], list[str]] | None:
    """(types, fields) that a consumer's own handlers read of an authority; None where the consumer runs elsewhere."""
    if consumer not in settings.contexts():
        return None
    read = {wire: handler for wire, handler in table(consumer).items() if wire.startswith(f"{authority}.")}
    fields = {field.alias or name for handler in read.values() for name, field in handler.reads.model_fields.items()}
    return sorted(read), sorted(fields)


def run(handler: Handler, events: Sequence[Event]) -> tuple[int, set[str]]:
    """Apply the events; returns (how many of them were obsolete, the ids of those that may have changed something)."""
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
