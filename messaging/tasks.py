"""The Celery tasks. They pass messages to the inbox, and return one to its queue only if nothing could be stored."""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from celery.exceptions import Reject
from django.db import DatabaseError, InterfaceError

from messaging import settings
from messaging.celery import app
from messaging.consumer import checkpoints, inbox, incoming, parked, retries
from messaging.database import errors, outages
from messaging.errors import DatabaseAway, InvalidEnvelope, MessageRejected, Paused
from messaging.events.text import error_line, said
from messaging.transport.queues import DELIVER, HEARTBEAT, RETRY_DUE

log = logging.getLogger(__name__)
#: Shortest and longest wait in seconds before a message returns to its queue. It spares a broken database, and is shorter than the
#: broker's timeouts.
PAUSE_SECONDS = (0.5, 1.5)
#: The work that the outage of a database stops, as `outages` logs it.
TAKING, HEARING, RETRYING = "taking messages", "noting heartbeats", "retrying failed events"
#: The strategy that passes a message on unopened, its body as one argument (docs/decisions/0019-the-task-opens-the-message.md).
SEALED = "messaging.consumer.celery_worker:sealed"


@app.task(name=DELIVER, Strategy=SEALED, shared=False)
def deliver(*, context: str, headers: dict[str, str], body: bytes) -> None:
    """Take a message with many events for one consumer, from this context's queue."""
    with _keeping(context, DELIVER, headers, body):
        consumer, events, publishers = incoming.delivery(headers, body)
        if consumer not in settings.contexts():
            raise InvalidEnvelope(f"Addressed to {consumer!r}, a context that this process doesn't run.")
        try:
            outcome = inbox.receive(consumer, events, publishers=publishers)
        except (DatabaseAway, Paused) as error:
            if isinstance(error, DatabaseAway):
                outages.began(log, consumer, TAKING, error)
            else:
                log.warning("%s", error)
            time.sleep(random.uniform(*PAUSE_SECONDS))
            raise Reject(str(error), requeue=True) from error
        outages.ended(log, consumer, TAKING)
        log.info("%s: %s", consumer, outcome)


@app.task(name=HEARTBEAT, Strategy=SEALED, shared=False)
def heartbeat(*, context: str, headers: dict[str, str], body: bytes) -> None:
    """Note an authority's heartbeat. One that can't be noted is no loss: the next one replaces it."""
    with _keeping(context, HEARTBEAT, headers, body):
        sign, publishers = incoming.heartbeat(headers, body)
        if sign.consumer not in settings.contexts():
            return
        if sign.authority not in publishers:
            raise MessageRejected(incoming.FORGED)
        with _waiting(sign.consumer, HEARING):
            checkpoints.record_heartbeat(sign.consumer, sign.authority, sign.head, sign.at, sign.mark)


@app.task(name=RETRY_DUE, shared=False)
def retry_due(*, consumer: str) -> None:
    """Retry the failed events that are due."""
    with _waiting(consumer, RETRYING):
        for parked_id in retries.due(consumer):
            tried = retries.attempt(consumer, parked_id)
            if tried is not None:
                log.info("%s: retried %s: %s", consumer, tried.event_type, tried.state)


@contextmanager
def _keeping(context: str, task: str, headers: dict[str, str], body: bytes) -> Iterator[None]:
    """Park a message that can't be handled. If the database takes nothing, return the message to its queue."""
    try:
        yield
    except (Reject, MemoryError):
        raise
    except Exception as error:
        known = isinstance(error, MessageRejected | InvalidEnvelope)
        reason = str(error) if known else f"The message can't be delivered: {error_line(error)}"
        # An unverified delivery is kept with its signature, for a retry. Heartbeats come all the time: one is kept per reason.
        whole = task == HEARTBEAT or isinstance(error, MessageRejected)
        if not parked.keep(context, body, reason, {"task": task, **headers} if whole else None):
            raise Reject(reason, requeue=True) from error
        if not known:
            raise  # a bug; Celery logs it


@contextmanager
def _waiting(consumer: str, work: str) -> Iterator[None]:
    """Around periodic work: while the database takes nothing, skip it until the next time."""
    try:
        yield
    except (DatabaseError, InterfaceError, DatabaseAway) as error:
        if not (isinstance(error, DatabaseAway) or errors.takes_nothing(error)):
            raise
        errors.let_go()
        outages.began(log, consumer, work, said(error))
    else:
        outages.ended(log, consumer, work)
