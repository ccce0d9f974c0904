"""The Celery tasks: they hand over to the inbox, and give a message back only where nothing could be kept."""

import json
import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from celery import Task, shared_task
from celery.exceptions import Reject
from django.db import DatabaseError, InterfaceError
from pydantic import Field, TypeAdapter

from messaging import settings
from messaging.consumer import checkpoints, inbox, retries
from messaging.consumer import parked as parked_events
from messaging.consumer.incoming import FORGED
from messaging.database import errors, outages
from messaging.errors import DatabaseAway, MessagingError, Paused
from messaging.events.contract import LARGEST_INTEGER, Moment
from messaging.events.text import said
from messaging.transport import signing
from messaging.transport.queues import DELIVER, HEARTBEAT

log = logging.getLogger(__name__)
#: Seconds that a message is held before it goes back to its queue, at least and at most: a broken database isn't hammered, and the
#: broker's patience is longer.
PAUSE_SECONDS = (0.5, 1.5)
#: What the outage of a database stops, in the words of `outages`.
TAKING, HEARING, RETRYING = "taking messages", "noting heartbeats", "retrying failed events"
HEAD: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=0, le=LARGEST_INTEGER)])
MARK: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(max_length=32)])
TIME: TypeAdapter[datetime] = TypeAdapter(Moment)


@shared_task(bind=True, name=DELIVER, Request="messaging.consumer.celery_worker:DeliveryRequest")
def deliver(self: Task, *, consumer: str, events: list[Any]) -> None:
    """A message with many events for one consumer."""
    if consumer not in settings.contexts():
        raise MessagingError(f"Addressed to {consumer!r}, which this process is not.")  # parked by `DeliveryRequest`
    try:
        outcome = inbox.receive(consumer, events, publishers=signing.publishers(self.request.get(signing.VERIFIED)))
    except (DatabaseAway, Paused) as error:
        # Nothing could be kept, so the message goes back.
        if isinstance(error, DatabaseAway):
            outages.began(log, consumer, TAKING, error)
        else:
            log.warning("%s", error)
        time.sleep(random.uniform(*PAUSE_SECONDS))
        raise Reject(str(error), requeue=True) from error
    outages.ended(log, consumer, TAKING)
    log.info("%s: %s", consumer, outcome)


@shared_task(bind=True, name=HEARTBEAT, Request="messaging.consumer.celery_worker:SignedRequest")
def heartbeat(self: Task, *, consumer: str, authority: str, head: int, at: str, mark: str = "") -> None:
    """An authority's sign of life. One that can't be noted is no loss: the next one says more."""
    position, time_there, of_round = HEAD.validate_python(head), TIME.validate_python(at), MARK.validate_python(mark)
    if consumer not in settings.contexts():
        return
    if authority in signing.publishers(self.request.get(signing.VERIFIED)):
        with _waiting(consumer, HEARING):
            checkpoints.record_heartbeat(consumer, authority, position, time_there, of_round)
    else:
        body = json.dumps({"authority": authority, "head": head, "at": at})
        with _waiting(consumer, HEARING):
            parked_events.park_refused(settings.context(consumer).alias, {"task": HEARTBEAT}, body, FORGED)


@shared_task(name="messaging.retry_due")
def retry_due(*, consumer: str) -> None:
    """Try again the failed events whose time has come."""
    with _waiting(consumer, RETRYING):
        for parked_id in retries.due(consumer):
            parked = retries.attempt(consumer, parked_id)
            if parked is not None:
                log.info("%s: retried %s: %s", consumer, parked.event_type, parked.state)


@contextmanager
def _waiting(consumer: str, work: str) -> Iterator[None]:
    """Around work that comes again by itself: while the database takes nothing it is left for the next time."""
    try:
        yield
    except (DatabaseError, InterfaceError, DatabaseAway) as error:
        if not (isinstance(error, DatabaseAway) or errors.takes_nothing(error)):
            raise
        errors.let_go()
        outages.began(log, consumer, work, said(error))
    else:
        outages.ended(log, consumer, work)
