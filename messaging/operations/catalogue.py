"""Every event type and every feed of this process's contexts: what is published, and who reads which fields.

A database that doesn't answer hides only its register, and lag.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from messaging import settings
from messaging.consumer import handlers
from messaging.consumer.cache import declared_caches
from messaging.events import contract
from messaging.events.schema_text import Fact, facts
from messaging.operations.readers import Known, Reader
from messaging.publisher.feed import declared_feed


@dataclass(frozen=True)
class EventType:
    """One version of an event, and its consumers."""

    #: The wire type: `users.user.suspended.v1`.
    type: str
    publisher: str
    #: None: the type doesn't end in a version, so it can't be published.
    version: int | None
    #: False: the publisher has no such contract, but a consumer handles the type or is registered for it. None: the publisher runs
    #: elsewhere, so its contract isn't known here.
    published: bool | None
    description: str
    #: The contract's fields. Where it isn't known, the names of the fields that consumers read or get.
    fields: tuple[Fact, ...]
    #: The feeds with the facts of the same aggregate.
    feeds: tuple[str, ...]
    consumers: tuple[Reader, ...]

    @property
    def name(self) -> str:
        """The type without its version: all versions have the same one."""
        return self.type.rpartition(".v")[0] if self.version else self.type

    @property
    def aggregate(self) -> str:
        """The type's first two words, as `users.user`."""
        return ".".join(self.type.split(".")[:2])


@dataclass(frozen=True)
class FeedReaders:
    """A feed, and the consumers that pull it."""

    feed: str
    publisher: str
    consumers: tuple[Reader, ...]


@dataclass(frozen=True)
class Catalogue:
    """`unreadable`: a sentence for each database that doesn't answer, so that its register and all lag are unknown."""

    events: tuple[EventType, ...]
    feeds: tuple[FeedReaders, ...]
    unreadable: tuple[str, ...]

    def groups(self) -> list[list[EventType]]:
        """The events by aggregate. Events share a group if their fields are the same, and each consumer reads the same of them."""
        groups: list[list[EventType]] = []
        for event in self.events:
            fitting = (group for group in groups if all(_alike(event, other) for other in group))
            group = next(fitting, None)
            if group is None:
                groups.append([event])
            else:
                group.append(event)
        return groups

    def consumers(self) -> list[tuple[str, Reader]]:
        """Each pair of a publisher and a consumer of its events, once; as registered if it is for any of the types."""
        pairs: dict[tuple[str, str], Reader] = {}
        for event in self.events:
            for reader in event.consumers:
                known = pairs.get((event.publisher, reader.consumer))
                if known is None or (known.registered is False and reader.registered):
                    pairs[event.publisher, reader.consumer] = reader
        return [(publisher, reader) for (publisher, _), reader in sorted(pairs.items(), key=lambda pair: pair[0])]


def consumers_of(field: str, group: Iterable[EventType]) -> dict[str, str]:
    """Say what each consumer of these events does with a field: "reads", "reads, not sent", "gets" (its code isn't here), or ""."""
    use: dict[str, str] = {}
    for reader in (reader for event in group for reader in event.consumers):
        sent = reader.sent is None or field in reader.sent
        if reader.reads is None:
            use[reader.consumer] = "gets" if field in (reader.sent or ()) else ""
        else:
            use[reader.consumer] = ("reads" if sent else "reads, not sent") if field in reader.reads else ""
    return use


def catalogue() -> Catalogue:
    """Gather all event types and feeds, by name. A database that doesn't answer is in `unreadable`, and no error."""
    known = Known.read()
    published = dict(_published())
    handled = {wire for context in settings.contexts() for wire in handlers.table(context)}
    registered = {wire for entries in known.registers.values() for entry in entries.values() for wire in entry.types}
    wires = sorted({*published, *handled, *registered}, key=_by_version)
    feeds = sorted({*settings.feeds(), *(feed for context in settings.contexts() for feed in declared_caches(context))})
    return Catalogue(
        events=tuple(_event(wire, published.get(wire), tuple(known.receiving(wire))) for wire in wires),
        feeds=tuple(FeedReaders(feed, settings.authority(feed), tuple(known.pulling(feed))) for feed in feeds),
        unreadable=known.unreadable,
    )


def _published() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for context in settings.contexts():
        contract.load_contracts(context)
        yield from contract.schemas(context)


def _event(wire: str, schema: Mapping[str, Any] | None, consumers: tuple[Reader, ...]) -> EventType:
    publisher = wire.partition(".")[0]
    return EventType(
        type=wire,
        publisher=publisher,
        version=_by_version(wire)[1] or None,
        published=True if schema else False if publisher in settings.contexts() else None,
        description=str(schema.get("description", "")) if schema else "",
        fields=facts(schema) if schema else _names_only(consumers),
        feeds=tuple(_feeds(".".join(wire.split(".")[:2]))),
        consumers=consumers,
    )


def _feeds(aggregate: str) -> Iterator[str]:
    for name in settings.feeds():
        feed = declared_feed(name)
        if feed and feed.aggregate == aggregate:
            yield name


def _names_only(consumers: Iterable[Reader]) -> tuple[Fact, ...]:
    names = {name for reader in consumers for name in (reader.reads or reader.sent or ())}
    return tuple(Fact(name, "", "", None) for name in sorted(names))


def _by_version(wire: str) -> tuple[str, int]:
    name, _, number = wire.rpartition(".v")
    return (name, int(number)) if contract.WIRE_TYPE.fullmatch(wire) else (wire, 0)


def _alike(one: EventType, other: EventType) -> bool:
    if (one.aggregate, one.published, one.fields) != (other.aggregate, other.published, other.fields):
        return False
    reading = {reader.consumer: (reader.reads, reader.sent) for reader in other.consumers}
    return all(reading.get(reader.consumer, found) == found for reader in one.consumers for found in [(reader.reads, reader.sent)])
