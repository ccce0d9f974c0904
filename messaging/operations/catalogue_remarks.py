"""What doesn't fit in the catalogue of events, in sentences: types without a publisher or a consumer, missing registrations."""

from collections.abc import Iterator

from messaging import settings
from messaging.operations.catalogue import Catalogue, EventType


def remarks(catalogue: Catalogue) -> list[str]:
    """Return a sentence for each thing that a person should know about these events, and what to do."""
    return [
        *(f"{reason}. So lag is unknown, and so is its register." for reason in catalogue.unreadable),
        *_unpublished(catalogue),
        *_unregistered(catalogue),
        *_unhandled(catalogue),
        *_unconsumed(catalogue),
    ]


def _unpublished(catalogue: Catalogue) -> Iterator[str]:
    for event in catalogue.events:
        if event.published is False:
            handling = [reader.consumer for reader in event.consumers if reader.reads is not None]
            others = [reader.consumer for reader in event.consumers if reader.reads is None]
            does = [f"{listed(handling)} handles it"] if handling else []
            does += [f"{listed(others)} is registered for it"] if others else []
            yield f"{event.publisher} doesn't publish {event.type}, but {' and '.join(does)}."
    for publisher in sorted({event.publisher for event in catalogue.events if event.published is None}):
        yield f"{publisher} runs in another process, so the contracts of its events aren't known here."


def _unregistered(catalogue: Catalogue) -> Iterator[str]:
    missing: dict[tuple[str, str], list[str]] = {}
    for event in catalogue.events:
        for reader in event.consumers:
            if event.published and reader.registered is False:
                missing.setdefault((reader.consumer, event.publisher), []).append(event.type)
    for (consumer, publisher), types in missing.items():
        command = f"manage.py consumers register {consumer} --to {publisher}"
        yield f"{consumer} handles {listed(types)}, but isn't registered for {_them(types)}, so it gets none. Type: {command}"


def _unhandled(catalogue: Catalogue) -> Iterator[str]:
    extra: dict[tuple[str, str], list[str]] = {}
    for event in catalogue.events:
        for reader in event.consumers:
            if event.published and reader.reads is None and reader.consumer in settings.contexts():
                extra.setdefault((reader.consumer, event.publisher), []).append(event.type)
    for (consumer, publisher), types in extra.items():
        yield (
            f"{consumer} is registered with {publisher} for {listed(types)}, but has no handler for {_them(types)}, so each such "
            "event is parked."
        )


def _unconsumed(catalogue: Catalogue) -> Iterator[str]:
    """Say which types nobody consumes, with the consumers that pull the same facts."""
    alone: dict[str, list[EventType]] = {}
    for event in catalogue.events:
        if event.published and not event.consumers:
            alone.setdefault(event.aggregate, []).append(event)
    pulling = {feed.feed: [reader.consumer for reader in feed.consumers] for feed in catalogue.feeds}
    for events in alone.values():
        pullers = sorted({name for feed in events[0].feeds for name in pulling[feed]})
        but = f" By the feed, its facts reach {listed(pullers)}." if pullers else ""
        yield f"Nobody consumes {listed([event.type for event in events])}.{but}"


def listed(words: list[str]) -> str:
    """Write words as a list: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _them(types: list[str]) -> str:
    return "it" if len(types) == 1 else "them"
