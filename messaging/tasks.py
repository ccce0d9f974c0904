"""The Celery tasks: they hand over to the inbox, and give a message back only where nothing could be kept."""

import json
import logging
import random
import time
from datetime import datetime
from typing import Annotated, Any

from celery import Task, shared_task
from celery.exceptions import Reject
from celery.signals import worker_init
from pydantic import Field, TypeAdapter

from messaging import checkpoints, conf, inbox, parking, signing
from messaging.contracts import LARGEST, Moment
from messaging.errors import MessagingError
from messaging.queues import DELIVER, HEARTBEAT
from messaging.reading import FORGED

log = logging.getLogger(__name__)
HEAD: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=0, le=LARGEST)])
TIME: TypeAdapter[datetime] = TypeAdapter(Moment)


@worker_init.connect  # type: ignore[untyped-decorator]
def refuse_to_start(sender: Any, **kwargs: Any) -> None:
    """What a worker checks as it starts. This module is there by then, and that one isn't: Celery loads it with its consumer."""
    from messaging import worker

    worker.refuse_to_start(sender.app)


@shared_task(bind=True, name=DELIVER, Request="messaging.worker:DeliveryRequest")
def deliver(self: Task, *, consumer: str, events: list[Any]) -> None:
    """A message with many events for one consumer."""
    if consumer not in conf.contexts():
        raise MessagingError(f"Addressed to {consumer!r}, which this process is not.")  # parked by `DeliveryRequest`
    try:
        outcome = inbox.receive(consumer, events, publishers=signing.publishers(self.request.get(signing.VERIFIED)))
    except (inbox.DatabaseAway, checkpoints.Paused) as error:
        # Nothing could be kept, so the message goes back. The pause keeps a broken database from being hammered, and is
        # shorter than the broker's patience.
        log.warning("%s", error)
        time.sleep(random.uniform(0.5, 1.5))
        raise Reject(str(error), requeue=True) from error
    log.info("%s: %s", consumer, outcome)


@shared_task(bind=True, name=HEARTBEAT, Request="messaging.worker:SignedRequest")
def heartbeat(self: Task, *, consumer: str, authority: str, head: int, at: str) -> None:
    """An authority's sign of life. One that can't be noted is no loss: the next one says more."""
    position, time_there = HEAD.validate_python(head), TIME.validate_python(at)
    if consumer not in conf.contexts():
        return
    if authority in signing.publishers(self.request.get(signing.VERIFIED)):
        checkpoints.hear(consumer, authority, position, time_there)
    else:
        said = json.dumps({"authority": authority, "head": head, "at": at})
        parking.park_refused(consumer, {"task": HEARTBEAT}, said, FORGED)


@shared_task(name="messaging.retry_due")
def retry_due(*, consumer: str) -> None:
    """Try again the failed events whose time has come."""
    for parked_id in parking.due(consumer):
        parked = parking.attempt(consumer, parked_id)
        if parked is not None:
            log.info("%s: retried %s: %s", consumer, parked.event_type, parked.state)
