"""`events [TYPE …]`: every event with its versions and fields, its publisher, and who consumes it."""

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from messaging.events.text import printable
from messaging.management.base import Command as BaseCommand
from messaging.management.base import WrongUsage
from messaging.management.output import show, shown
from messaging.operations.catalogue import Catalogue, EventType, catalogue, consumers_of
from messaging.operations.catalogue_remarks import remarks
from messaging.operations.readers import Reader


class Command(BaseCommand):
    help = (
        "Show every event type of this process's contexts: versions, fields, publisher, and consumers with the fields they read "
        "and their lag. If a database doesn't answer, the contracts are shown, and lag is unknown."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "types", nargs="*", metavar="TYPE", help="a type, or its first words: users.user.suspended.v1, users.user, users"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = _chosen(catalogue(), options["types"])
        said = remarks(found)
        if options["json"]:
            self.result(options, {**_values(found), "remarks": said}, "")
            return
        if not found.events:
            self.stdout.write("No context of this process publishes or handles events.")
        for group in found.groups():
            self._group(group)
        self._consumers(found)
        for sentence in said:
            self.stdout.write(printable(sentence))

    def _group(self, group: list[EventType]) -> None:
        self._table(_heading(group), ("type", "what happened", "consumers"), map(_event_row, group))
        fields = (
            (fact.name, fact.type or "unknown", fact.description or "–", _read_by(fact.name, group)) for fact in group[0].fields
        )
        self._table("Its fields" if len(group) == 1 else "Their fields", ("field", "type", "meaning", "read by"), fields)

    def _consumers(self, found: Catalogue) -> None:
        rows = [(reader.consumer, f"events of {publisher}", reader) for publisher, reader in found.consumers()]
        rows += [(reader.consumer, f"feed {feed.feed}", reader) for feed in found.feeds for reader in feed.consumers]
        cells = (
            (name, what, reader.queue or "it pulls", _word(reader), _lag(reader))
            for name, what, reader in sorted(rows, key=lambda row: row[:2])
        )
        self._table("Consumers", ("consumer", "gets", "queue", "state", "lag"), cells)

    def _table(self, title: str, head: tuple[str, ...], rows: Iterable[Sequence[str | list[str]]]) -> None:
        """Print a table; a list in a cell is written one below the other."""
        table = Table(*head, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            table.add_row(*(Text("\n").join(map(shown, cell)) if isinstance(cell, list) else shown(cell) for cell in row))
        if table.row_count:
            show(self.stdout, table)


def _chosen(found: Catalogue, types: list[str]) -> Catalogue:
    """Return the part of the catalogue that the words name: types or their beginnings. Raises `WrongUsage` for an unknown word."""
    if not types:
        return found
    for word in types:
        if not any(_named(event, word) for event in found.events):
            raise WrongUsage(_unknown(word, found))
    events = tuple(event for event in found.events if any(_named(event, word) for word in types))
    feeds = {name for event in events for name in event.feeds}
    elsewhere = {event.publisher for event in events if event.published is None}  # which feeds have their facts isn't known here
    kept = tuple(feed for feed in found.feeds if feed.feed in feeds or feed.publisher in elsewhere)
    return replace(found, events=events, feeds=kept)


def _named(event: EventType, word: str) -> bool:
    return f"{event.type}.".startswith(f"{word}.")


def _unknown(word: str, found: Catalogue) -> str:
    known = [event.type for event in found.events]
    beginnings = {name for event in found.events for name in (event.publisher, event.aggregate, event.name, event.type)}
    near = get_close_matches(word, sorted(beginnings), n=1)
    names = f"Did you mean {near[0]}?" if near else f"The types here: {', '.join(known) or 'none'}."
    return f"There is no event type {word!r}. {names}"


def _heading(group: list[EventType]) -> str:
    """Write what is common to a group: "users.user: published by users, also in the feed users"."""
    event = group[0]
    feeds = f", also in the feed {' and '.join(event.feeds)}" if event.feeds else ""
    by = {True: f"published by {event.publisher}", False: "published by nobody", None: f"{event.publisher} runs elsewhere"}
    return f"{event.aggregate}: {by[event.published]}{feeds}"


def _event_row(event: EventType) -> tuple[str, str, list[str]]:
    consumers = [f"{reader.consumer}{' (upcasts it)' if reader.upcast else ''}" for reader in event.consumers]
    return event.type, event.description or "–", consumers or ["nobody"]


def _read_by(field: str, group: list[EventType]) -> list[str]:
    extra = {"reads": "", "reads, not sent": " (not sent)", "gets": " (gets it)"}
    return [f"{name}{extra[use]}" for name, use in consumers_of(field, group).items() if use] or ["–"]


def _word(reader: Reader) -> str:
    return "not registered" if reader.registered is False else reader.state or "unknown"


def _lag(reader: Reader) -> str:
    return f"{reader.lag:,}" if reader.lag is not None else "–, no copy" if reader.keeps_none else f"unknown: {reader.lag_unknown}"


def _values(found: Catalogue) -> dict[str, Any]:
    events = [{"type": event.type, "name": event.name, **asdict(event)} for event in found.events]
    return {"events": events, "feeds": [asdict(feed) for feed in found.feeds]}
