"""The copies of events that leave: only a consumer's types, only its fields of each, in messages of bounded size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from messaging.events.contract import Envelope
from messaging.events.limits import ENVELOPE_BYTES, LARGEST_EVENT_BYTES, LARGEST_MESSAGE_BYTES
from messaging.events.text import plural
from messaging.ledger.marks import Rounds
from messaging.models import Consumer

NO_ROUNDS = Rounds()


@dataclass(slots=True)
class Sendable:
    """An event as it leaves, and its size in bytes before the consumer's fields are picked."""

    event: dict[str, Any]
    size: int


def partition_sendable(
    rows: Sequence[tuple[Any, str, int | None]], rounds: Rounds = NO_ROUNDS
) -> tuple[list[Sendable], list[tuple[Any, str]]]:
    """(events that can be sent, rows that can't with the reason): one bad row holds nobody up. `rounds`: those of the positions."""
    good, bad = [], []
    for row_id, body, position in rows:
        try:
            event = from_json(body, allow_inf_nan=False)
        except ValueError as error:  # the databases take JSON that is nested deeper, and SQLite lone surrogates
            bad.append((row_id, f"Not JSON that can be sent: {error}"))
            continue
        if isinstance(event, dict):
            for ours in ("position", "mark", "markbefore"):  # the relay gives them, not who wrote the row
                event.pop(ours, None)
        reason = problem(event) or (too_large(event) if len(body) > LARGEST_EVENT_BYTES else "")
        if reason:
            bad.append((row_id, reason))
        else:
            if position is not None:
                place(event, position, rounds)
            good.append(Sendable(event, len(body)))
    return good, bad


def place(event: dict[str, Any], position: int, rounds: Rounds) -> None:
    """Give an event its change's position in the feed, with the marks of the round that gave it out."""
    event["position"] = position
    if known := rounds.of(position):
        event["mark"], event["markbefore"] = known.mark, known.previous


def problem(event: Any) -> str:
    """Why an event can't be sent; empty where it can."""
    try:
        Envelope.model_validate(event)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, found["loc"])) or "body" for found in error.errors(include_input=False))
        return f"Not a valid envelope: {places}"
    return ""


def too_large(event: Any) -> str:
    """Why an event is too large to send; empty where it isn't. A database may keep one in more bytes than it has."""
    size = len(to_json(event))
    return (
        f"Too large: {plural(size, 'byte')}, {LARGEST_EVENT_BYTES + ENVELOPE_BYTES:,} are allowed."
        if size > LARGEST_EVENT_BYTES + ENVELOPE_BYTES
        else ""
    )


def messages(rows: Sequence[Sendable], consumer: Consumer, largest: int = LARGEST_MESSAGE_BYTES) -> Iterator[list[dict[str, Any]]]:
    """The consumer's copies, in messages of at most `largest` bytes (or one event): its event types, and its fields of each.

    Only who has shown marks gets any. For others the authority forgets them at once, and would refuse a pair that is shown later.
    """
    types, fields = set(consumer.types), set(consumer.fields)
    hidden = () if consumer.marks else ("mark", "markbefore")
    message: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if row.event["type"] not in types:
            continue
        if message and size + row.size > largest:
            yield message
            message, size = [], 0
        data = row.event["data"]
        copy = {**row.event, "data": {name: data[name] for name in data if name in fields}}
        for name in hidden:
            copy.pop(name, None)
        message.append(copy)
        size += row.size
    if message:
        yield message
