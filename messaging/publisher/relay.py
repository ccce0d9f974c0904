"""The relay sends the events of the outbox to every registered consumer's queue, each at least once.

A round stamps pending changes, claims a batch (`messaging.publisher.claim`), sends a copy to each consumer, and
commits the batch as sent after the broker's confirmation. A crash in between sends one batch twice; the inbox ignores the second.
Several relays may run at once.
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
from django.db import connections
from django.db.models import F
from django.utils import timezone

from messaging import failpoints, settings
from messaging.database import errors
from messaging.database.outbox_pattern import FAILED, SENT, WAITING
from messaging.database.wakeup import Waiter
from messaging.errors import OtherType
from messaging.events.limits import LARGEST_MESSAGE_BYTES
from messaging.ledger import marks, sequencer
from messaging.models import Consumer
from messaging.publisher import claim, outbox, payloads
from messaging.transport import signing
from messaging.transport.sender import Sender

log = logging.getLogger(__name__)

BATCH_ROWS = 1000
#: Seconds between the starts of two rounds: normally, and with more than `DENSE_PER_SECOND` events a second. After a full batch, or
#: a quiet moment, the next round starts at once.
SPACING_SECONDS, WIDE_SPACING_SECONDS = 0.015, 0.1
DENSE_PER_SECOND = 250
#: The time over which that rate is measured: long enough that a few events at once don't count as dense.
WINDOW_SECONDS = 0.2
#: Seconds between two heartbeats, two looks for rows of an older release, and two prunings of marks.
HEARTBEAT_SECONDS, ADOPT_SECONDS, PRUNE_SECONDS = 2.0, 2.0, 60.0
#: Seconds between retries while the broker or the database is unreachable. They double from the first to the second, with jitter.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0


@dataclass
class Round:
    """The result of one round."""

    sent: int = 0  #: events sent
    failed: int = 0  #: events that can't be sent
    messages: int = 0  #: messages sent, of all consumers

    def add(self, other: "Round") -> None:
        self.sent, self.failed, self.messages = self.sent + other.sent, self.failed + other.failed, self.messages + other.messages


@dataclass
class Pace:
    """Decides when the next round starts. Each round slows down busy writers (`benchmarks/sequencer.py`), so under dense traffic a
    round sends several commits. Otherwise send at once.
    """

    before: float = -math.inf
    began: float = -math.inf
    rate: float = 0.0  #: recent events per second

    def begin(self, now: float) -> None:
        """Note the start of a round. `now`: from `time.monotonic`."""
        self.before, self.began = self.began, now

    def pause(self, events: int, now: float) -> float:
        """Seconds until the next round, after one with `events` events."""
        elapsed = self.began - self.before
        if elapsed < WINDOW_SECONDS:
            self.rate += (events - self.rate * elapsed) / WINDOW_SECONDS
        else:
            self.rate = events / elapsed
        spacing = WIDE_SPACING_SECONDS if self.rate > DENSE_PER_SECOND else SPACING_SECONDS
        return max(0.0, self.began + spacing - now)


@dataclass
class Relay:
    """The relay of one context. `run_once` does one round; `run` continues until `stop` is set.

    Raises `NoBroker`; `MissingExtra` if the context has keys that it can't sign with.
    """

    context: str
    app: Celery
    batch: int = BATCH_ROWS
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.using = settings.context(self.context).alias
        signing.scheme().require(self.context)
        self.sender = Sender(self.app, self.context)
        self.pace = Pace()
        self.total = Round()  # of all rounds of `run`
        self.next_heartbeat = self.next_adoption = self.next_prune = 0.0

    def run(self) -> None:
        """Send events until stopped, and wait for commits in between. While broker or database are unreachable it retries, and logs
        that once."""
        waiter, pause, away = Waiter(self.using), FIRST_PAUSE_SECONDS, False
        try:
            while not self.stop.is_set():
                try:
                    done = self.run_once()
                    self.total.add(done)
                    self._heartbeat()
                    if done.sent + done.failed < self.batch:
                        self.stop.wait(self.pace.pause(done.sent + done.failed, time.monotonic()))
                        waiter.wait()
                except Exception as error:
                    if not (isinstance(error, self.sender.errors) or errors.unusable(error)):
                        raise
                    if not away:
                        log.warning(
                            "%s: can't send, retrying until it works: %s",
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
        """Send the head to every consumer, if it is time: without heartbeats a consumer can't know that it is current."""
        if time.monotonic() < self.next_heartbeat:
            return
        now = timezone.now()  # before the head is read: a consumer that has everything up to the head is as fresh as this
        sequencer.stamp_pending(self.using)
        head = sequencer.head(self.using)
        round_ = marks.at(self.using, head)
        for consumer in Consumer.objects.of(self.using).exclude(queue=""):
            # Workers of a release without marks accept no mark. A consumer that sends marks has a newer release.
            mark = round_.mark if round_ and consumer.marks else ""
            self.sender.heartbeat(consumer.queue, consumer.name, head, now, mark)
        self.next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        if time.monotonic() >= self.next_prune:
            marks.prune(self.using)
            self.next_prune = time.monotonic() + PRUNE_SECONDS

    def run_once(self) -> Round:
        """Send one batch. If broker or database raise an error, nothing is marked as sent, and the rows are sent again."""
        self.pace.begin(time.monotonic())
        self.sender.connect()  # before the claim: an unreachable broker takes time, and other relays would wait
        self._adopt()
        sequencer.stamp_pending(self.using)  # right before the claim: an event without a position leaves a gap to be pulled
        failpoints.reach("relay.stamped")
        with claim.claimed(self.using, self.context, self.batch) as (good, bad):
            if not good and not bad:
                return Round()
            failpoints.reach("relay.claimed")
            done = Round(sent=len(good), failed=len(bad))
            for consumer in Consumer.objects.of(self.using):
                for message in payloads.messages(good, consumer, LARGEST_MESSAGE_BYTES):
                    for passed in failpoints.outgoing(consumer, message):
                        self.sender.send(consumer.queue, consumer.name, passed)
                    done.messages += 1
                    failpoints.reach("relay.sent")
            self._refuse(bad)
            failpoints.reach("relay.before_commit")
        failpoints.reach("relay.committed")
        return done

    def _adopt(self) -> None:
        """During an upgrade, take over what programs of the last release record, and what their relays have sent."""
        if time.monotonic() >= self.next_adoption and len(outbox.adopt(self.using, self.context, self.batch)) < self.batch:
            self.next_adoption = time.monotonic() + ADOPT_SECONDS

    def _refuse(self, bad: Sequence[tuple[Any, str]]) -> None:
        for event_id, reason in bad:
            log.error("%s: event %s can't be sent: %s", self.context, event_id, reason)
            row = outbox.rows(self.using, self.context, SENT, WAITING).filter(id=event_id)
            row.update(status=FAILED, retry=F("retry") + 1, headers={"error": reason})


def _brief(error: BaseException) -> str:
    if isinstance(error, OtherType):
        return str(error)
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
