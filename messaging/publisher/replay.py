"""Replay: send recorded events again to the queues of chosen consumers.

Nothing is written to the outbox. The events keep their ids, so a consumer skips those that it has, and their envelopes have
`replay`. Events that retention has purged can't be sent again; `gap` counts them.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, Min, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django_outbox_pattern.models import Published
from pydantic_core import to_json

from messaging import failpoints
from messaging.database.outbox_pattern import SENT
from messaging.errors import BrokerAway
from messaging.events import text
from messaging.ledger import ledger, marks
from messaging.models import Consumer, Ledger
from messaging.publisher import outbox, payloads
from messaging.publisher.payloads import Sendable
from messaging.settings import context
from messaging.transport.sender import Sender

log = logging.getLogger(__name__)

BATCH_ROWS = 1000


@dataclass(frozen=True)
class Window:
    """Which events to send again. None: no limit."""

    until: datetime  #: recorded before
    since: datetime | None = None  #: recorded then or later
    type: str | None = None
    subject: str | None = None  #: the aggregate's id

    def __str__(self) -> str:
        since = [f"since {self.since.isoformat()}"] if self.since else []
        rest = [f"{name} {value}" for name, value in (("type", self.type), ("subject", self.subject)) if value]
        return ", ".join([*since, f"until {self.until.isoformat()}", *rest])


@dataclass
class Replayed:
    """The result of a replay."""

    events: int = 0  #: number of events, each counted once
    copies: int = 0  #: number of events sent, counted for each consumer
    outcomes: Counter[str] = field(default_factory=Counter)  #: copies by forecast outcome
    touched: set[str] = field(default_factory=set)  #: the consumers that got any
    reached: datetime | None = None  #: when the last event was recorded
    broken: str = ""  #: why it ended early; empty if it didn't


@dataclass(frozen=True)
class Gap:
    """The part of a window that can't be sent again."""

    oldest: datetime | None  #: when the oldest stored event was recorded
    #: Number of aggregates whose last change is in the window, before `oldest`, and that have no stored event: it was purged, or
    #: they were entered without events.
    missing: int


#: Forecasts the outcome of each event of a message: (consumer, authority, message).
Forecast = Callable[[str, str, list[dict[str, Any]]], list[str]]
#: Called with each copy: (consumer, event, outcome).
Watcher = Callable[[str, dict[str, Any], str], None]


def replay(
    authority: str,
    consumers: Sequence[Consumer],
    window: Window,
    *,
    sender: Sender | None,
    foretell: Forecast | None = None,
    progress: Callable[[int], None] = lambda done: None,
    watch: Watcher = lambda consumer, event, outcome: None,
) -> Replayed:
    """Send the window's events to these consumers again, and forecast their outcomes there by `foretell`. Without a `sender` it
    only forecasts. If the broker is lost it ends early; safe to repeat. Raises `BrokerAway` if the broker never answered."""
    done = Replayed()
    away: tuple[type[BaseException], ...] = sender.errors if sender else ()
    try:
        if sender:
            sender.connect()
    except away as error:
        raise BrokerAway(text.said(error)) from error
    for batch, reached in _batches(authority, window, {wire for consumer in consumers for wire in consumer.types}):
        try:
            for consumer in consumers:
                for message in payloads.messages(batch, consumer):
                    outcomes = foretell(consumer.name, authority, message) if foretell else []
                    if sender:
                        sender.send(consumer.queue, consumer.name, message)
                        failpoints.reach("replay.sent")
                    done.copies += len(message)
                    done.touched.add(consumer.name)
                    for event, outcome in zip(message, outcomes, strict=foretell is not None):
                        done.outcomes[outcome] += 1
                        watch(consumer.name, event, outcome)
        except away as error:
            done.broken = text.said(error)[:200]
            break
        done.events += len(batch)
        done.reached = reached
        progress(len(batch))
    return done


def count_recorded(authority: str, consumers: Sequence[Consumer], window: Window) -> int:
    """The number of events in the window."""
    return _rows(authority, window, {wire for consumer in consumers for wire in consumer.types}).count()


def known_type(authority: str, wire: str) -> bool:
    """Return True if an event of this type is stored."""
    return bool(outbox.rows(context(authority).alias, authority).filter(destination=wire).exists())


def gap(authority: str, consumers: Sequence[Consumer], window: Window) -> Gap:
    """Count the window's aggregates that have no stored event. Reads the window's part of ledger and outbox."""
    using = context(authority).alias
    oldest = outbox.rows(using, authority).aggregate(oldest=Min("added"))["oldest"]
    end = min(oldest, window.until) if oldest else window.until
    if window.since and window.since >= end:
        return Gap(oldest, 0)
    changed = Q(changed_at__lt=end, announced_version__gte=F("version"))  # `republish` finds those that never had an event
    if window.since:
        changed &= Q(changed_at__gte=window.since)
    if window.subject:
        changed &= Q(aggregate_id=window.subject)
    missing = 0
    for label in {".".join(wire.split(".")[:2]) for consumer in consumers for wire in consumer.types}:
        kept = outbox.rows(using, label)
        if window.subject:
            kept = kept.filter(body__subject=window.subject)
        subjects = kept.annotate(subject=KeyTextTransform("subject", "body")).values_list("subject")
        ids = Ledger.objects.using(using).filter(changed, aggregate=label).values_list("aggregate_id")
        missing += ids.difference(subjects).count()
    return Gap(oldest, missing)


def _rows(authority: str, window: Window, types: set[str]) -> QuerySet[Published]:
    wanted = {window.type} & types if window.type else types
    rows = outbox.rows(context(authority).alias, authority, SENT).filter(added__lt=window.until, destination__in=sorted(wanted))
    if window.since:
        rows = rows.filter(added__gte=window.since)
    if window.subject:
        rows = rows.filter(body__subject=window.subject)
    return rows


def _batches(authority: str, window: Window, types: set[str]) -> Iterator[tuple[list[Sendable], datetime]]:
    """The window's events in batches, as recorded, each with the time of its last event."""
    rows = _rows(authority, window, types).order_by("added", "id")
    batch = list(rows.values_list("added", "id", "body")[:BATCH_ROWS])
    while batch:
        added, last, _ = batch[-1]
        yield _sendable(authority, [body for _, _, body in batch]), added
        behind = rows.filter(Q(added__gt=added) | Q(added=added, id__gt=last), added__gte=added)
        batch = list(behind.values_list("added", "id", "body")[:BATCH_ROWS])


def _sendable(authority: str, bodies: Sequence[dict[str, Any]]) -> list[Sendable]:
    """The events as they are sent, with their position if they announce their aggregate's latest change."""
    events = []
    for body in bodies:
        reason = payloads.problem(body)
        if reason:
            log.error(
                "%s: event %s can't be sent again: %s",
                authority,
                body.get("id") if isinstance(body, dict) else "without an id",
                reason,
            )
        else:
            events.append({**body, "replay": True})
    using = context(authority).alias
    at = ledger.positions(using, [_aggregate(event) for event in events])
    rounds = marks.rounds(using, (position for _, position in at.values() if position is not None))
    for event in events:
        version, position = at.get(_aggregate(event), (0, None))
        if position is not None and version == event["aggregateversion"]:
            payloads.place(event, position, rounds)
    return [Sendable(event, len(to_json(event))) for event in events]


def _aggregate(event: dict[str, Any]) -> tuple[str, str]:
    return ".".join(event["type"].split(".")[:2]), event["subject"]
