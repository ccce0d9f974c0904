"""The messages for each consumer: only its event types and fields, in messages of limited size."""

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
    """An event that can be sent."""

    event: dict[str, Any]
    size: int  #: in bytes, before the consumer's fields are picked


def partition_sendable(
    rows: Sequence[tuple[Any, str, int | None]], rounds: Rounds = NO_ROUNDS
) -> tuple[list[Sendable], list[tuple[Any, str]]]:
    """Returns (events that can be sent, rows that can't with the reason), so that a bad row doesn't stop the others. `rounds`: the
    stamping rounds of the positions."""
    good, bad = [], []
    for row_id, body, position in rows:
        try:
            event = from_json(body, allow_inf_nan=False)
        except ValueError as error:  # the databases accept deeper JSON than this parser, and SQLite lone surrogates
            bad.append((row_id, f"Not JSON that can be sent: {error}"))
            continue
        if isinstance(event, dict):
            for ours in ("position", "mark", "markbefore"):  # only the relay sets them
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
    """Add its change's position in the feed to an event, with the round's marks."""
    event["position"] = position
    if known := rounds.of(position):
        event["mark"], event["markbefore"] = known.mark, known.previous


def problem(event: Any) -> str:
    """The reason why an event can't be sent; empty if it can."""
    try:
        Envelope.model_validate(event)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, found["loc"])) or "body" for found in error.errors(include_input=False))
        return f"Not a valid envelope: {places}"
    return ""


def too_large(event: Any) -> str:
    """The reason if an event is too large to send, else empty. It is measured anew: the stored JSON may be longer."""
    size = len(to_json(event))
    return (
        f"Too large: {plural(size, 'byte')}, {LARGEST_EVENT_BYTES + ENVELOPE_BYTES:,} are allowed."
        if size > LARGEST_EVENT_BYTES + ENVELOPE_BYTES
        else ""
    )


def messages(rows: Sequence[Sendable], consumer: Consumer, largest: int = LARGEST_MESSAGE_BYTES) -> Iterator[list[dict[str, Any]]]:
    """The consumer's events with its fields, in messages of at most `largest` bytes or one event.

    Only a consumer that sends marks gets marks. For others the authority prunes them early, and would refuse them later.
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
