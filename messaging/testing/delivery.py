"""Take recorded events to their consumers' inboxes, in the test's own transactions, without broker and signature."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from messaging.consumer import handlers, inbox
from messaging.consumer.outcome import Outcome
from messaging.database.outbox_pattern import WAITING
from messaging.events.ids import uuid7
from messaging.ledger import sequencer
from messaging.models import Consumer, Parked
from messaging.publisher import consumers, outbox, payloads
from messaging.publisher.claim import claim
from messaging.publisher.payloads import Sendable
from messaging.publisher.relay import BATCH_ROWS
from messaging.settings import Context, context, contexts

#: Handlers may record events, which are delivered too. With more rounds they would never end.
MOST_ROUNDS = 100


@dataclass(frozen=True)
class Delivery:
    """One event at one consumer."""

    consumer: str
    type: str  #: the wire type, as "users.user.suspended.v1"
    subject: str
    outcome: str  #: "applied", "duplicate", "obsolete" or "parked"
    error: str = ""  #: why it was parked
    traceback: str = ""  #: of the handler that failed


@contextmanager
def delivered(*publishers: str, may_park: bool = False) -> Iterator[list[Delivery]]:
    """Deliver what was recorded when the block ends. Yields a list that then has the deliveries. See `deliver`."""
    found: list[Delivery] = []
    yield found
    found += deliver(*publishers, may_park=may_park)


def deliver(*publishers: str, may_park: bool = False) -> list[Delivery]:
    """Deliver all events that wait in the outbox, also those that handlers record meanwhile.

    Each event is a message of its own. A consumer gets the types and fields of its entry in the publisher's register. Without an
    entry, it gets what its handlers read. Consumers that run in other processes get nothing. Call it outside a transaction; the one
    that `TestCase` puts around a test is allowed.

    Parameters
    ----------
    publishers
        The contexts whose outboxes are read; by default all of this process.
    may_park
        Return parked events like others. By default they are an error, because a test would pass although its handler fails.

    Raises
    ------
    AssertionError
        An event was parked or can't be sent, or handlers keep recording new events.
    """
    known = [context(name) for name in publishers or contexts()]
    found: list[Delivery] = []
    for _ in range(MOST_ROUNDS):
        waiting = [one for one in known if outbox.rows(one.alias, one.name, WAITING).exists()]
        if not waiting:
            break
        for publisher in waiting:
            found += _round(publisher)
    else:
        raise AssertionError(f"Events still wait after {MOST_ROUNDS} rounds: handlers keep recording new ones.")
    return _unparked(found, may_park)


def deliver_event(
    consumer: str,
    wire: str,
    data: Mapping[str, Any],
    *,
    subject: uuid.UUID | int | str,
    version: int,
    deleted: bool = False,
    may_park: bool = False,
) -> Delivery:
    """Deliver one event that nobody recorded to a consumer's inbox, for tests of a consumer alone.

    Parameters
    ----------
    consumer
        A context of this process.
    wire
        The event's type, as "users.user.suspended.v1".
    data
        Its facts, as JSON has them: a time is a text.
    subject, version
        Its aggregate's id, and the aggregate's version after the change.
    deleted
        True for the tombstone of a row that was deleted.
    may_park
        Return a parked event like others; by default it is an error.

    Raises
    ------
    AssertionError
        The event was parked.
    """
    event_id, source = str(uuid7()), wire.partition(".")[0]
    message = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": wire,
        "subject": str(subject),
        "time": timezone.now().isoformat(),
        "data": dict(data),
        "aggregateversion": version,
        "correlationid": event_id,
        "deleted": deleted,
    }
    came = _outcome(inbox.receive(consumer, [message], publishers=[source]))
    found = Delivery(consumer, wire, str(subject), came, **_failure(consumer, event_id, came))
    return _unparked([found], may_park)[0]


def _unparked(found: list[Delivery], may_park: bool) -> list[Delivery]:
    parked = [one for one in found if one.outcome == "parked"]
    if parked and not may_park:
        raise AssertionError(
            "\n".join(f"{one.consumer} parked {one.type} for {one.subject}: {one.error}\n{one.traceback}" for one in parked)
        )
    return found


def _outcome(outcome: Outcome) -> str:
    """The outcome of a message with one event."""
    (came,) = (name for name, number in asdict(outcome).items() if number)
    return came


def _round(publisher: Context) -> list[Delivery]:
    sequencer.stamp_pending(publisher.alias)
    with transaction.atomic(using=publisher.alias):
        good, bad = claim(publisher.alias, publisher.name, BATCH_ROWS)
    if bad:
        raise AssertionError(f"{publisher.name} can't send event {bad[0][0]}. {bad[0][1]}")
    # One event in a message, so that each has an outcome of its own.
    return [found for event in good for consumer in _consumers(publisher) for found in _receive(publisher, consumer, event)]


def _consumers(publisher: Context) -> list[Consumer]:
    entries = {entry.name: entry for entry in consumers.registered(publisher.name)}
    return [entries.get(name) or _as_declared(name, publisher) for name in contexts()]


def _as_declared(name: str, publisher: Context) -> Consumer:
    types, fields = handlers.wanted(name, publisher.name) or ([], [])
    return Consumer(name=name, types=types, fields=fields)


def _receive(publisher: Context, consumer: Consumer, event: Sendable) -> Iterator[Delivery]:
    for message in payloads.messages([event], consumer):
        came = _outcome(inbox.receive(consumer.name, message, publishers=[publisher.name]))
        failure = _failure(consumer.name, event.event["id"], came)
        yield Delivery(consumer.name, event.event["type"], event.event["subject"], came, **failure)


def _failure(consumer: str, event_id: str, outcome: str) -> dict[str, Any]:
    if outcome != "parked":
        return {}
    row = Parked.objects.of(context(consumer).alias).filter(event_id=event_id).latest("id")
    return {"error": row.reason, "traceback": row.traceback}
