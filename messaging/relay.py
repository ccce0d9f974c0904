"""The relay: from the outbox to every registered consumer's queue, at least once, nothing forgotten.

A round stamps what is pending, claims a batch, sends one message copy per consumer, and marks the batch after the broker confirmed.
A crash between sending and marking sends one batch twice; the inbox knows that. Several relays may run beside each other.
"""

import logging
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from celery import Celery
from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import F
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.models import Published
from pydantic import ValidationError
from pydantic_core import from_json

from messaging import engines, sequencer, steps
from messaging.contracts import Envelope
from messaging.models import Consumer
from messaging.sending import Sender
from messaging.wakeup import Waiter

log = logging.getLogger(__name__)

BATCH = 1000
#: Bytes of events in one message; a batch that is longer becomes several.
LARGEST_MESSAGE = 1024 * 1024
#: Seconds from the start of a round to the next one's, unless a whole batch waits. An event that comes after a quiet moment
#: doesn't wait.
SPACING = 0.015
#: Seconds between tries while broker or database are away: doubling from the first to the last, with jitter.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0


@dataclass
class Round:
    """What one round did: rows sent, rows refused, message copies."""

    sent: int = 0
    failed: int = 0
    messages: int = 0


@dataclass
class Relay:
    """The relay of one context. `run_once` is a round, `run` goes on until `stop` is set."""

    using: str
    app: Celery
    batch: int = BATCH
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.sender = Sender(self.app)
        self.began = 0.0

    def run(self) -> None:
        """Send until stopped; wait for commits in between. Survives the loss of broker and database, and says so once."""
        waiter, pause, away = Waiter(self.using), FIRST_PAUSE, False
        expected: tuple[type[BaseException], ...] = (*self.sender.errors, OperationalError, InterfaceError)
        try:
            while not self.stop.is_set():
                try:
                    done = self.run_once()
                    if done.sent + done.failed < self.batch:
                        self._gather()
                        waiter.wait()
                except expected as error:
                    if not away:
                        log.warning("%s: can't send, trying again until it works: %s", self.using, _brief(error))
                    away = True
                    self.sender.close()
                    connections[self.using].close()
                    self.stop.wait(pause * random.uniform(0.5, 1.5))
                    pause = min(pause * 2, LONGEST_PAUSE)
                else:
                    if away:
                        log.info("%s: sending again", self.using)
                    pause, away = FIRST_PAUSE, False
        finally:
            waiter.close()
            self.sender.close()
            connections[self.using].close()

    def _gather(self) -> None:
        """Under steady traffic let a few commits come together: a round for each would cost a transaction here and there."""
        self.stop.wait(max(0.0, self.began + SPACING - time.monotonic()))

    def run_once(self) -> Round:
        """One batch. Raises what broker or database raise; then nothing is marked, and the rows are sent again."""
        self.began = time.monotonic()
        sequencer.stamp_pending(self.using)
        steps.reach("relay.stamped")
        self.sender.connect()  # before the claim: on SQLite it holds the write lock, and a broker that is away takes its time
        with transaction.atomic(using=self.using):
            rows = engines.for_alias(self.using).claim(self.using, self.batch)
            if not rows:
                return Round()
            good, bad = _sort(rows)
            steps.reach("relay.claimed")
            done = Round(sent=len(good), failed=len(bad))
            for consumer in Consumer.objects.using(self.using):
                for message in _messages(good, consumer):
                    self.sender.send(consumer.queue, consumer.name, message)
                    done.messages += 1
                    steps.reach("relay.sent")
            self._refuse(bad)
            steps.reach("relay.before_commit")
        steps.reach("relay.committed")
        return done

    def _refuse(self, bad: Sequence[tuple[Any, str]]) -> None:
        for event_id, reason in bad:
            log.error("%s: event %s can't be sent: %s", self.using, event_id, reason)
            row = Published.objects.using(self.using).filter(id=event_id)
            row.update(status=StatusChoice.FAILED, retry=F("retry") + 1, headers={"error": reason})


@dataclass(slots=True)
class Sendable:
    """An event as it leaves, and its size in bytes before the consumer's fields are picked."""

    event: dict[str, Any]
    size: int


def _sort(rows: Sequence[tuple[Any, str, int | None]]) -> tuple[list[Sendable], list[tuple[Any, str]]]:
    """(events that can be sent, rows that can't with the reason): one bad row holds nobody up."""
    good, bad = [], []
    for row_id, body, position in rows:
        event = from_json(body)
        try:
            Envelope.model_validate(event)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, problem["loc"])) or "body" for problem in error.errors(include_input=False))
            bad.append((row_id, f"Not a valid envelope: {places}"))
        else:
            if position is not None:
                event["position"] = position
            good.append(Sendable(event, len(body)))
    return good, bad


def _messages(rows: Sequence[Sendable], consumer: Consumer) -> Iterator[list[dict[str, Any]]]:
    """The consumer's copies, in messages of bounded size: only its event types, and only its fields of each."""
    types, fields = set(consumer.types), set(consumer.fields)
    message: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if row.event["type"] not in types:
            continue
        if message and size + row.size > LARGEST_MESSAGE:
            yield message
            message, size = [], 0
        data = row.event["data"]
        message.append({**row.event, "data": {name: data[name] for name in data if name in fields}})
        size += row.size
    if message:
        yield message


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
