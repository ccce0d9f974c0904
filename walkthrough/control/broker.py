"""Empty the broker or lose it. Only the project's own queues are touched; an embedded broker belongs to the project."""

import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from config import broker
from messaging.celery import app
from messaging.models import Subscription
from messaging.replica import staleness
from messaging.transport.broker import UNACKED, UNACKED_INDEX
from messaging.transport.queues import depth, queue
from messaging.transport.sender import Sender
from walkthrough.control import processes

#: Seconds that a worker may take for the messages that it holds.
PATIENCE = 20.0
#: The time of a heartbeat that only checks if a worker is done. It confirms nothing.
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def embedded() -> bool:
    """Return True if the broker is the project's own process, which may be stopped and wiped."""
    return broker.is_embedded()


def empty() -> None:
    """Delete all queued messages, and those that a killed worker would give back."""
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=20, interval_start=0.2, interval_step=0.1, interval_max=0.5, timeout=10)
        channel = connection.default_channel
        for name in settings.DELIVERING:
            bound = queue(name).bind(channel)
            bound.declare()
            bound.purge()
        client = getattr(channel, "client", None)
        if client is not None:  # Redis or Valkey
            client.delete(UNACKED, UNACKED_INDEX, *(f"{name}.fetching" for name in settings.DELIVERING))


def lose() -> None:
    """Stop, wipe and start an embedded broker; empty the queues of any other."""
    if not embedded():
        empty()
        return
    processes.stop("broker")
    wipe()
    processes.start("broker")


def wipe() -> None:
    """Delete the data of the stopped embedded broker."""
    for path in broker.FOLDER.iterdir() if broker.FOLDER.exists() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif not path.is_socket():
            path.unlink(missing_ok=True)


def hands_are_empty(consumer: str, authority: str) -> bool:
    """Return True when the consumer's worker has handled all earlier messages: it received a heartbeat sent behind them.

    The queue's depth is checked, too, because a pull from the feed notes the time as a heartbeat does.
    """
    began, rows = timezone.now(), Subscription.objects.using(consumer).filter(authority=authority)
    sender = Sender(app, authority)
    with suppress(*sender.errors):
        sender.heartbeat(consumer, consumer, 0, LONG_AGO)
    sender.close()
    limit = time.monotonic() + PATIENCE
    through = False
    while not through and time.monotonic() < limit:
        time.sleep(0.05)
        through = rows.filter(heartbeat_at__gte=began).exists() and depth(app, consumer) == 0
    rows.filter(confirmed_at=LONG_AGO).update(confirmed_at=None)
    return through


def age(row: Subscription | None) -> timedelta | None:
    """A copy's age; None if it was never confirmed, or only by the heartbeat of `hands_are_empty`."""
    return None if row is None or row.confirmed_at == LONG_AGO else staleness.age(row)


def send(consumer: str, authority: str, events: list[Any]) -> None:
    """Put envelopes on a consumer's queue without the outbox: late, repeated or unknown ones. The authority's key signs them."""
    sender = Sender(app, authority)
    try:
        sender.send(consumer, consumer, events)
    finally:
        sender.close()
