"""The relay: from the outbox to every registered consumer's queue, at least once, nothing forgotten.

A round stamps what is pending, claims a batch (`claim` in `messaging/database/engines/`), sends one message copy per consumer, and
marks the batch after the broker confirmed. A crash between sending and marking sends one batch twice; the inbox knows that. Several
relays may run beside each other.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from celery import Celery
from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging import failpoints, settings
from messaging.database import engines, errors
from messaging.database.outbox_pattern import FAILED
from messaging.database.wakeup import Waiter
from messaging.errors import OtherType
from messaging.events.limits import LARGEST_MESSAGE_BYTES
from messaging.ledger import marks, sequencer
from messaging.models import Consumer
from messaging.publisher import payloads
from messaging.transport.sender import Sender

log = logging.getLogger(__name__)

BATCH_ROWS = 1000
#: Seconds from the start of a round to the next one's, unless a whole batch waits: where events come now and then, and where more
#: than `DENSE_PER_SECOND` come a second. An event that comes after a quiet moment doesn't wait.
SPACING_SECONDS, WIDE_SPACING_SECONDS = 0.015, 0.1
DENSE_PER_SECOND = 250
#: Seconds over which events are counted for that: long enough that a few together aren't taken for many.
WINDOW_SECONDS = 0.2
#: Seconds between two heartbeats, and between two looks for marks that nobody needs any more.
HEARTBEAT_SECONDS, PRUNE_SECONDS = 2.0, 60.0
#: Seconds between tries while broker or database are away: doubling from the first to the last, with jitter.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0


@dataclass
class Round:
    """What one round did: rows sent, rows refused, message copies."""

    sent: int = 0
    failed: int = 0
    messages: int = 0


@dataclass
class Pace:
    """How soon the next round is due. Each round takes from writers who are busy (`benchmarks/sequencer.py`), so under dense
    traffic a few commits come together; under any other an event shall not wait.
    """

    before: float = -math.inf
    began: float = -math.inf
    #: Events a second, lately.
    rate: float = 0.0

    def begin(self, now: float) -> None:
        """A round begins; `now` as `time.monotonic` tells it."""
        self.before, self.began = self.began, now

    def pause(self, events: int, now: float) -> float:
        """Seconds until the next round, after one that found so many events."""
        elapsed = self.began - self.before
        if elapsed < WINDOW_SECONDS:
            self.rate += (events - self.rate * elapsed) / WINDOW_SECONDS
        else:
            self.rate = events / elapsed
        spacing = WIDE_SPACING_SECONDS if self.rate > DENSE_PER_SECOND else SPACING_SECONDS
        return max(0.0, self.began + spacing - now)


@dataclass
class Relay:
    """The relay of one context. `run_once` is a round, `run` goes on until `stop` is set."""

    context: str
    app: Celery
    batch: int = BATCH_ROWS
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.using = settings.context(self.context).alias
        self.sender = Sender(self.app, self.context)
        self.pace = Pace()
        self.next_heartbeat = self.next_prune = 0.0

    def run(self) -> None:
        """Send until stopped; wait for commits in between. Survives the loss of broker and database, and says so once."""
        waiter, pause, away = Waiter(self.using), FIRST_PAUSE_SECONDS, False
        try:
            while not self.stop.is_set():
                try:
                    done = self.run_once()
                    self._heartbeat()
                    if done.sent + done.failed < self.batch:
                        self.stop.wait(self.pace.pause(done.sent + done.failed, time.monotonic()))
                        waiter.wait()
                except Exception as error:
                    if not (isinstance(error, self.sender.errors) or errors.unusable(error)):
                        raise
                    if not away:
                        log.warning(
                            "%s: can't send, trying again until it works: %s",
                            self.context,
                            _brief(error),
                        )
                    away = True
                    self.sender.close()
                    connections[self.using].close()
                    self.stop.wait(pause * random.uniform(0.5, 1.5))
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                else:
                    if away:
                        log.info("%s: sending again", self.context)
                    pause, away = FIRST_PAUSE_SECONDS, False
        finally:
            waiter.close()
            self.sender.close()
            connections[self.using].close()

    def _heartbeat(self) -> None:
        """Tell every consumer where the head is, now and then: silence is not health."""
        if time.monotonic() < self.next_heartbeat:
            return
        now = timezone.now()  # before the head: whoever has everything up to it is as fresh as this
        sequencer.stamp_pending(self.using)
        head = sequencer.head(self.using)
        round_ = marks.at(self.using, head)
        for consumer in Consumer.objects.using(self.using).exclude(queue=""):
            # Workers of a release without marks know no fourth word; who has shown marks is a newer one.
            mark = round_.mark if round_ and consumer.marks else ""
            self.sender.heartbeat(consumer.queue, consumer.name, head, now, mark)
        self.next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        if time.monotonic() >= self.next_prune:
            marks.prune(self.using)
            self.next_prune = time.monotonic() + PRUNE_SECONDS

    def run_once(self) -> Round:
        """One batch. Raises what broker or database raise; then nothing is marked, and the rows are sent again."""
        self.pace.begin(time.monotonic())
        sequencer.stamp_pending(self.using)
        failpoints.reach("relay.stamped")
        self.sender.connect()  # before the claim: on SQLite it holds the write lock, and a broker that is away takes its time
        with transaction.atomic(using=self.using):
            rows = engines.for_alias(self.using).claim(self.using, self.batch)
            if not rows:
                return Round()
            positions = (position for _, _, position in rows if position is not None)
            known = marks.rounds(self.using, positions)
            good, bad = payloads.partition_sendable(rows, known)
            failpoints.reach("relay.claimed")
            done = Round(sent=len(good), failed=len(bad))
            for consumer in Consumer.objects.using(self.using):
                for message in payloads.messages(good, consumer, LARGEST_MESSAGE_BYTES):
                    for passed in failpoints.outgoing(consumer, message):
                        self.sender.send(consumer.queue, consumer.name, passed)
                    done.messages += 1
                    failpoints.reach("relay.sent")
            self._refuse(bad)
            failpoints.reach("relay.before_commit")
        failpoints.reach("relay.committed")
        return done

    def _refuse(self, bad: Sequence[tuple[Any, str]]) -> None:
        for event_id, reason in bad:
            log.error("%s: event %s can't be sent: %s", self.context, event_id, reason)
            row = Published.objects.using(self.using).filter(id=event_id)
            row.update(status=FAILED, retry=F("retry") + 1, headers={"error": reason})


def _brief(error: BaseException) -> str:
    if isinstance(error, OtherType):
        return str(error)
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
