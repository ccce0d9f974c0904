"""Take recorded events to their consumers' inboxes, in the test's own transactions, without broker and signature."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction

from messaging.consumer import handlers, inbox
from messaging.database.outbox_pattern import WAITING
from messaging.ledger import sequencer
from messaging.models import Consumer, Parked
from messaging.publisher import consumers, outbox, payloads
from messaging.publisher.payloads import Sendable
from messaging.publisher.relay import BATCH_ROWS, claim_events
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
    parked = [one for one in found if one.outcome == "parked"]
    if parked and not may_park:
        raise AssertionError(
            "\n".join(f"{one.consumer} parked {one.type} for {one.subject}: {one.error}\n{one.traceback}" for one in parked)
        )
    return found


def _round(publisher: Context) -> list[Delivery]:
    sequencer.stamp_pending(publisher.alias)
    with transaction.atomic(using=publisher.alias):
        good, bad = claim_events(publisher.alias, publisher.name, BATCH_ROWS)
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
        outcome = inbox.receive(consumer.name, message, publishers=[publisher.name])
        (came,) = (name for name, number in asdict(outcome).items() if number)
        yield Delivery(consumer.name, event.event["type"], event.event["subject"], came, **_failure(consumer.name, event, came))


def _failure(consumer: str, event: Sendable, outcome: str) -> dict[str, Any]:
    if outcome != "parked":
        return {}
    row = Parked.objects.of(context(consumer).alias).filter(event_id=event.event["id"]).latest("id")
    return {"error": row.reason, "traceback": row.traceback}
