"""The inbox: effects happen once, however often a message comes.

One transaction on the consumer's own database holds the inbox row (by which a redelivery is recognised), what the handlers write,
and the checkpoint. The message is acknowledged after the commit. After a crash the message comes again and finds either nothing or
everything done. The pattern: https://www.enterpriseintegrationpatterns.com/IdempotentReceiver.html.
"""

import logging
import random
import time
from collections.abc import Container, Sequence
from typing import Any

from django.db import DatabaseError, InterfaceError, connections, transaction
from django.utils import timezone
from django_outbox_pattern.models import Received

from messaging import failpoints
from messaging.consumer import checkpoints, handlers
from messaging.consumer import parked as parked_events
from messaging.consumer.incoming import Arrival, arrival
from messaging.consumer.outcome import Outcome
from messaging.database import errors
from messaging.database.outbox_pattern import NEVER, RECEIVED
from messaging.database.upsert import insert_new
from messaging.errors import DatabaseAway, Paused
from messaging.events.ids import uuid7
from messaging.events.text import said
from messaging.settings import Alias, Context, context

log = logging.getLogger(__name__)
#: How often a batch is tried again after a passing database error (a deadlock, a lock timeout, a dropped connection).
TRIES = 3


def receive(consumer: str, raw_events: Sequence[Any], *, publishers: Container[str] | None = None) -> Outcome:
    """Receive a message of many events in one transaction of a few statements. An invalid event is parked at once.

    If a handler fails, the batch is halved until the failing event is alone. That one is kept for a retry; the others are applied.

    `publishers`: the contexts whose events the message may hold, by its signature; None allows any. Raises `DatabaseAway` if the
    consumer's database takes no writes, and `Paused` while a bootstrap holds the queue.
    """
    arrivals = [arrival(consumer, raw, publishers) for raw in raw_events]
    return _halving(context(consumer), arrivals) if arrivals else Outcome()


def _halving(consumer: Context, arrivals: Sequence[Arrival]) -> Outcome:
    try:
        return _persistently(consumer, arrivals)
    except (DatabaseAway, Paused):
        raise
    except Exception as error:
        if len(arrivals) == 1:
            log.warning("%s: %s failed: %s", consumer.name, arrivals[0].key, type(error).__name__)
            return _keep(consumer, arrivals, error)
    middle = len(arrivals) // 2
    return _halving(consumer, arrivals[:middle]) + _halving(consumer, arrivals[middle:])


def _keep(consumer: Context, arrivals: Sequence[Arrival], failure: Exception) -> Outcome:
    try:
        return _take(consumer, arrivals, failure)
    except (DatabaseError, InterfaceError) as error:
        if not errors.passing(error):
            raise
        # The database reads but doesn't write: its disk is full, or it is read-only. So the handler isn't at fault.
        raise DatabaseAway(f"the database of {consumer.name} takes no writes: {said(error)}") from error


def _persistently(consumer: Context, arrivals: Sequence[Arrival]) -> Outcome:
    for attempt in range(1, TRIES + 1):
        try:
            return _take(consumer, arrivals)
        except (DatabaseError, InterfaceError) as error:
            if not errors.passing(error):
                raise
            if not _answers(consumer.alias):
                raise DatabaseAway(f"the database of {consumer.name} doesn't answer: {said(error)}") from error
            if attempt == TRIES and errors.is_away(consumer.alias, error):
                raise DatabaseAway(f"the database of {consumer.name} takes no writes: {said(error)}") from error
            if attempt == TRIES:
                raise  # the database works, so the handler is at fault
            time.sleep(random.uniform(0.01, 0.1) * attempt)
    raise AssertionError("unreachable")


def _answers(using: Alias) -> bool:
    if not connections[using].in_atomic_block:  # else the transaction of a parked message's retry, or of a test, would be lost
        connections[using].close()  # the old connection may be the broken part
    try:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return False
    return True


def _take(consumer: Context, arrivals: Sequence[Arrival], failure: Exception | None = None) -> Outcome:
    """Take the events in one transaction. With a `failure`, the single event is kept for a retry instead of handled."""
    with transaction.atomic(using=consumer.alias):
        new = insert_new(Received, _dedupe_rows(arrivals), key="msg_id", using=consumer.alias)
        failpoints.reach("inbox.deduplicated")
        # A message may hold one event twice.
        fresh = {item.key: item for item in arrivals if item.key in new}
        parked = obsolete = 0
        moved: set[str] = set()
        batches: dict[int, tuple[handlers.Handler, list[handlers.Event]]] = {}
        for item in fresh.values():
            if item.event is None or item.handler is None:
                parked_events.park_unreadable(consumer.alias, item.raw, item.reason)
                parked += 1
            elif failure is not None:
                parked_events.park_failed(consumer.alias, item.event, item.raw, failure)
                parked += 1
            else:
                batches.setdefault(id(item.handler.apply), (item.handler, []))[1].append(item.event)
        for handler, events in batches.values():
            old, new_ids = handlers.run(handler, events)
            obsolete, moved = obsolete + old, moved | new_ids
        failpoints.reach("inbox.handled")
        outcome = Outcome(len(fresh) - parked - obsolete, len(arrivals) - len(fresh), obsolete, parked)
        # An event that waits for its retry isn't applied: its position stays a gap, which shows as lag and which a pull may fill.
        again = [item.event.id for item in arrivals if item.event and item.key not in new]
        waiting = parked_events.unsettled(consumer.alias, again)
        done = [item.event for item in arrivals if item.event and failure is None and item.event.id not in waiting]
        checkpoints.advance(consumer, done, outcome, moved)
        failpoints.reach("inbox.before_commit")
    failpoints.reach("inbox.committed")
    return outcome


def _dedupe_rows(arrivals: Sequence[Arrival]) -> list[dict[str, Any]]:
    now = timezone.now()
    # Sorted, so that two workers with the same events insert in one order and can't deadlock.
    return [
        {
            "id": uuid7(),
            "msg_id": item.key,
            "headers": _headers(item.event),
            "added": now,
            "expires_at": NEVER,
            "retry": 0,
            "status": RECEIVED,
        }
        for item in sorted(arrivals, key=lambda item: item.key)
    ]


def _headers(event: handlers.Event | None) -> dict[str, Any]:
    if event is None:
        return {"destination": "unreadable"}
    return {
        "destination": event.type,
        "subject": event.subject,
        "version": event.version,
        "correlationid": event.correlation,
        "causationid": event.causation,
    }
