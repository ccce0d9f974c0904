"""The relay: from the outbox to every registered consumer's queue, at least once, nothing forgotten.

A round stamps what is pending, claims a batch, sends one message copy per consumer, and marks the batch after the broker confirmed.
A crash between sending and marking sends one batch twice; the inbox knows that. Several relays may run beside each other.
"""

import json
import logging
import marshal
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from celery import Celery
from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import F
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.models import Published
from pydantic import ValidationError

from messaging import engines, ledger, sequencer, steps
from messaging.contracts import Envelope
from messaging.models import Consumer
from messaging.sending import Sender
from messaging.wakeup import Waiter

log = logging.getLogger(__name__)

BATCH = 500
#: Bytes of events in one message; a batch that is longer becomes several.
LARGEST_MESSAGE = 1024 * 1024
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

    def run(self) -> None:
        """Send until stopped; wait for commits in between. Survives the loss of broker and database, and says so once."""
        waiter, pause, away = Waiter(self.using), FIRST_PAUSE, False
        expected: tuple[type[BaseException], ...] = (*self.sender.errors, OperationalError, InterfaceError)
        try:
            while not self.stop.is_set():
                try:
                    done = self.run_once()
                    if not done.sent and not done.failed:
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

    def run_once(self) -> Round:
        """One batch. Raises what broker or database raise; then nothing is marked, and the rows are sent again."""
        sequencer.stamp_pending(self.using)
        steps.reach("relay.stamped")
        self.sender.connect()  # before the claim: on SQLite it holds the write lock, and a broker that is away takes its time
        with transaction.atomic(using=self.using):
            rows = self._claim()
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

    def _claim(self) -> list[tuple[Any, Any]]:
        """The oldest waiting rows that no other relay holds, marked as sent.

        The mark is written with the claim, in one statement, and takes effect with the commit: after the broker confirmed. A
        crash or an error before it leaves the rows waiting.
        """
        lock = engines.for_alias(self.using).CLAIM_LOCK
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                "UPDATE published SET status = 2 WHERE id IN ("
                f"SELECT id FROM published WHERE status = 1 ORDER BY added, id LIMIT %s {lock}) RETURNING id, body, added",
                [self.batch],
            )
            # RETURNING knows no order; consumers need none either, but a person who reads a queue does.
            rows = sorted(cursor.fetchall(), key=itemgetter(2))
        claimed = [(row_id, json.loads(body)) for row_id, body, _ in rows]
        known = ledger.positions(self.using, {_aggregate(body) for _, body in claimed if isinstance(body, dict)})
        for _, body in claimed:
            version, position = known.get(_aggregate(body), (None, None)) if isinstance(body, dict) else (None, None)
            if position is not None and version == body.get("aggregateversion"):
                body["position"] = position
        return claimed

    def _refuse(self, bad: Sequence[tuple[Any, str]]) -> None:
        for event_id, reason in bad:
            log.error("%s: event %s can't be sent: %s", self.using, event_id, reason)
            row = Published.objects.using(self.using).filter(id=event_id)
            row.update(status=StatusChoice.FAILED, retry=F("retry") + 1, headers={"error": reason})


def _aggregate(body: Mapping[str, Any]) -> tuple[str, str]:
    return ".".join(str(body.get("type", "")).split(".")[:2]), str(body.get("subject", ""))


def _sort(rows: Sequence[tuple[Any, Any]]) -> tuple[list[tuple[Any, dict[str, Any]]], list[tuple[Any, str]]]:
    """(rows that can be sent, rows that can't with the reason): one bad row holds nobody up."""
    good, bad = [], []
    for event_id, body in rows:
        try:
            Envelope.model_validate(body)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, problem["loc"])) or "body" for problem in error.errors(include_input=False))
            bad.append((event_id, f"Not a valid envelope: {places}"))
        else:
            good.append((event_id, body))
    return good, bad


def _messages(rows: Sequence[tuple[Any, dict[str, Any]]], consumer: Consumer) -> Iterator[list[dict[str, Any]]]:
    """The consumer's copies, in messages of bounded size: only its event types, and only its fields of each."""
    types, fields = set(consumer.types), set(consumer.fields)
    message: list[dict[str, Any]] = []
    size = 0
    for _, body in rows:
        if body["type"] not in types:
            continue
        copy = {**body, "data": {name: value for name, value in body["data"].items() if name in fields}}
        length = len(marshal.dumps(copy))  # near enough to its JSON, and far cheaper
        if message and size + length > LARGEST_MESSAGE:
            yield message
            message, size = [], 0
        message.append(copy)
        size += length
    if message:
        yield message


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
