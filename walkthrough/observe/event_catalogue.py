"""The catalogue of events for a page: arrows between contexts, and a table for each group of events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from messaging import settings
from messaging.events.schema_text import Fact
from messaging.events.text import plural
from messaging.models import Subscription
from messaging.operations.catalogue import Catalogue, EventType, consumers_of
from messaging.operations.readers import Reader
from messaging.operations.status import DOUBTFUL
from walkthrough.observe.context_map import Arrow

#: States in which a person should act.
BAD = (Subscription.State.UNREACHABLE.value, DOUBTFUL)


@dataclass(frozen=True)
class Told:
    """A consumer of a group's events, with its state in words and the state's class: good, open, bad or unknown."""

    name: str
    words: str
    look: str


@dataclass(frozen=True)
class Group:
    """Events with the same fields, and their consumers. `rows`: each field, with what each consumer does with it."""

    aggregate: str
    publisher: str
    published: bool | None
    feeds: tuple[str, ...]
    events: list[EventType]
    consumers: list[Told]
    rows: list[tuple[Fact, list[tuple[str, str]]]]


def contexts(catalogue: Catalogue) -> tuple[list[str], list[str]]:
    """Return all contexts that publish or consume, and which of them run elsewhere: this process's first."""
    here = list(settings.contexts())
    named = {name for event in catalogue.events for name in (event.publisher, *_names(event.consumers))}
    named |= {name for feed in catalogue.feeds if feed.consumers for name in (feed.publisher, *_names(feed.consumers))}
    elsewhere = sorted(named - set(here))
    return here + elsewhere, elsewhere


def arrows(catalogue: Catalogue) -> list[Arrow]:
    """Return an arrow for each publisher and consumer of its events, then for each feed and its consumers."""
    order, _ = contexts(catalogue)
    found = [*_sent(catalogue), *_pulled(catalogue)]
    return sorted(found, key=lambda arrow: (arrow.feed, order.index(arrow.source), order.index(arrow.target)))


def _sent(catalogue: Catalogue) -> Iterator[Arrow]:
    for publisher, reader in catalogue.consumers():
        types = [event for event in catalogue.events if event.publisher == publisher and reader.consumer in _names(event.consumers)]
        number = plural(len(types), "event type")
        yield Arrow(publisher, reader.consumer, _names_of(types), number, reader.in_words, look(reader), feed=False)


def _pulled(catalogue: Catalogue) -> Iterator[Arrow]:
    for feed in catalogue.feeds:
        for reader in feed.consumers:
            name = f"feed {feed.feed}"
            yield Arrow(feed.publisher, reader.consumer, name, name, reader.in_words, look(reader), feed=True)


def groups(catalogue: Catalogue) -> list[Group]:
    return [_group(events) for events in catalogue.groups()]


def look(reader: Reader) -> str:
    """Return the class of a consumer's state."""
    if reader.registered is False or reader.state in BAD:
        return "bad"
    if reader.lag is None and not (reader.keeps_none and reader.state == Subscription.State.LIVE):
        return "unknown"
    return "good" if not reader.lag and reader.state == Subscription.State.LIVE else "open"


def _group(events: list[EventType]) -> Group:
    first, alone = events[0], Catalogue(tuple(events), (), ())
    consumers = [Told(one.consumer, one.in_words, look(one)) for _, one in alone.consumers()]
    uses = [(fact, consumers_of(fact.name, events)) for fact in first.fields]
    rows = [(fact, [(one.name, use[one.name]) for one in consumers]) for fact, use in uses]
    return Group(first.aggregate, first.publisher, first.published, first.feeds, events, consumers, rows)


def _names(readers: Iterable[Reader]) -> list[str]:
    return [reader.consumer for reader in readers]


def _names_of(events: list[EventType]) -> str:
    """Write the events' names, once for each aggregate: "user: created, suspended v1, v2"."""
    parts = []
    for aggregate, found in groupby(events, key=lambda event: event.aggregate):
        names = [_with_versions(list(versions)) for _, versions in groupby(found, key=lambda event: event.name)]
        parts.append(f"{aggregate.partition('.')[2] or aggregate}: {', '.join(names)}")
    return "; ".join(parts)


def _with_versions(versions: list[EventType]) -> str:
    words = versions[0].name.split(".")
    numbers = [f"v{event.version}" for event in versions]
    return words[-1] if numbers in (["v1"], ["vNone"]) else f"{words[-1]} {', '.join(numbers)}"
