"""Read a message into events, or into the reason why it holds none."""

import hashlib
import json
from collections.abc import Container, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from messaging.consumer.handlers import Event, Handler, handler_for
from messaging.errors import InvalidEnvelope, UnknownHandler
from messaging.events.contract import LARGEST_INTEGER, Envelope, Moment
from messaging.events.limits import ENVELOPE_BYTES, LARGEST_EVENT_BYTES
from messaging.events.text import kind, plural, written
from messaging.transport import signing
from messaging.transport.queues import DELIVER, HEARTBEAT

#: Why a message with another publisher's events is refused.
FORGED = "Forged: nothing shows that the event is from the context that it names."
#: Characters that the inbox's table has for a key.
LONGEST_KEY = 100
_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


class Arrival(NamedTuple):
    """One event of a message: with its handler, or with the reason why it can't be read. A redelivery has the same `key`."""

    raw: Any
    key: str
    event: Event | None = None
    handler: Handler | None = None
    reason: str = ""


def opened(task: str, headers: Mapping[str, Any], body: Any) -> tuple[dict[str, Any], Container[str]]:
    """Check a message's signature, then read its body. Returns its arguments, and the publishers whose events it may hold.

    Raises `MessageRejected` before it reads anything, and `InvalidEnvelope` for a body that can't be read.
    """
    publishers = signing.check(headers, task, body)
    try:
        _, values, _ = json.loads(body if isinstance(body, str) else bytes(body).decode())
        if not isinstance(values, dict):
            raise TypeError
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidEnvelope(f"The message can't be read: {kind(error)}.") from None
    return values, publishers


def delivery(headers: Mapping[str, Any], body: Any) -> tuple[str, list[Any], Container[str]]:
    """Read a delivery into (consumer, events, publishers whose events it may hold). Raises the same errors as `opened`."""
    values, publishers = opened(DELIVER, headers, body)
    consumer, events = values.get("consumer"), values.get("events")
    if not isinstance(consumer, str) or not isinstance(events, list):
        raise InvalidEnvelope("It isn't a delivery.")
    return consumer, events, publishers


class Heartbeat(BaseModel):
    """An authority's heartbeat: its head `at` a time of its clock, and the mark of that head's stamping round."""

    consumer: str
    authority: str
    head: int = Field(ge=0, le=LARGEST_INTEGER)
    at: Moment
    mark: str = Field(default="", max_length=32)


def heartbeat(headers: Mapping[str, Any], body: Any) -> tuple[Heartbeat, Container[str]]:
    """Read a heartbeat. Returns it and the publishers that it may come from. Raises the same errors as `opened`."""
    values, publishers = opened(HEARTBEAT, headers, body)
    try:
        return Heartbeat.model_validate(values), publishers
    except ValidationError as error:
        raise InvalidEnvelope(_reason(error, "heartbeat")) from None


def read(consumer: str, raw: Any) -> tuple[Event, Handler]:
    """Read one envelope for a consumer. Raises `InvalidEnvelope`; its text holds no values, which may be personal data."""
    try:
        envelope = Envelope.model_validate(raw)
        handler = handler_for(consumer, envelope.type)
        data = handler.read(envelope.data)
    except ValidationError as error:
        raise InvalidEnvelope(_reason(error)) from None
    except UnknownHandler as error:
        raise InvalidEnvelope(f"Unknown type or version: {error}") from None
    event = Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        subject=envelope.subject,
        version=envelope.aggregateversion,
        time=envelope.time,
        correlation=envelope.correlationid,
        causation=envelope.causationid,
        position=envelope.position,
        data=data,
        mark=envelope.mark,
        previous_mark=envelope.markbefore,
        deleted=envelope.deleted,
    )
    return event, handler


def arrival(consumer: str, raw: Any, publishers: Container[str] | None = None) -> Arrival:
    """Read one envelope. If it can't be read, or isn't from one of `publishers`, the result holds the reason."""
    try:
        size = _size(raw)
        if size > LARGEST_EVENT_BYTES + ENVELOPE_BYTES:
            raise InvalidEnvelope(f"Too large: {plural(size, 'byte')}, {LARGEST_EVENT_BYTES + ENVELOPE_BYTES:,} are allowed.")
        event, handler = read(consumer, raw)
        if publishers is not None and (event.source not in publishers or not event.type.startswith(f"{event.source}.")):
            raise InvalidEnvelope(FORGED)
    except InvalidEnvelope as error:
        # An unreadable message can carry the id of a real event, so its key is made of its content.
        digest = hashlib.sha256(_content(raw).encode()).hexdigest()
        return Arrival(raw, f"{consumer}:unreadable:{digest[:32]}", reason=str(error))
    return Arrival(raw, key(consumer, event.id), event, handler)


def key(consumer: str, event_id: str) -> str:
    """Return the inbox's key of an event. A digest stands for an id that is too long beside the consumer's name."""
    plain = f"{consumer}:{event_id}"
    return plain if len(plain) <= LONGEST_KEY else f"{consumer}:{hashlib.sha256(event_id.encode()).hexdigest()[:40]}"


def _size(raw: Any) -> int:
    """Count the bytes of an event as JSON, as a relay does."""
    try:
        return len(_JSON.encode(raw).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError, RecursionError):
        raise InvalidEnvelope("Not a valid event. It isn't JSON, or is nested too deeply.") from None


def _content(raw: Any) -> str:
    try:
        return json.dumps(raw, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return written(raw)


def _reason(error: ValidationError, what: str = "event") -> str:
    """Say which fields break which rule, without their values: they may be personal data."""
    problems = (
        f"{'.'.join(str(part) for part in problem['loc']) or 'envelope'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return f"Not a valid {what}. {'; '.join(problems)}"[:500]
