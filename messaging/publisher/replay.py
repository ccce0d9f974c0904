"""Replay: send recorded events again, straight to the queues of those who are to have them.

Nothing is written to the outbox: a replay isn't news. Its copies keep the ids of the events, so whoever has one already skips it,
and say `replay` in their envelopes. What retention has removed can't come again; how much that is, is said (`gap`).
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
from messaging.publisher import payloads
from messaging.publisher.payloads import Sendable
from messaging.settings import context
from messaging.transport.sender import Sender

log = logging.getLogger(__name__)

BATCH_ROWS = 1000


@dataclass(frozen=True)
class Window:
    """Which events: recorded at `since` or later, and before `until`; of one type; of one aggregate. None: no bound."""

    until: datetime
    since: datetime | None = None
    type: str | None = None
    subject: str | None = None

    def __str__(self) -> str:
        since = [f"since {self.since.isoformat()}"] if self.since else []
        rest = [f"{name} {value}" for name, value in (("type", self.type), ("subject", self.subject)) if value]
        return ", ".join([*since, f"until {self.until.isoformat()}", *rest])


@dataclass
class Replayed:
    """`events`: how many, each counted once. `copies`: messages' events, one for each consumer. `touched`: who got any.
    `reached`: when the last of them was recorded. `broken`: why it ended early; empty where it didn't."""

    events: int = 0
    copies: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    touched: set[str] = field(default_factory=set)
    reached: datetime | None = None
    broken: str = ""


@dataclass(frozen=True)
class Gap:
    """`oldest`: when the oldest event that is kept was recorded, None where none is. `missing`: aggregates whose last change was in
    the window and before that, and of which no event is kept: purged, or entered without events."""

    oldest: datetime | None
    missing: int


#: Says of each event of a message what it would do there: (consumer, authority, message).
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
    """Send the window's events to these consumers, and `foretell` what they do there; with no `sender` only the latter.

    A broker that goes away ends it early, with the reason in `broken`; nothing is marked, so it can be run again. Raises
    `BrokerAway` where it doesn't answer to begin with, and database errors.
    """
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
    """How many events that is."""
    return _rows(authority, window, {wire for consumer in consumers for wire in consumer.types}).count()


def known_type(authority: str, wire: str) -> bool:
    """Whether any event of this type was recorded."""
    return bool(Published.objects.using(context(authority).alias).filter(destination=wire).exists())


def gap(authority: str, consumers: Sequence[Consumer], window: Window) -> Gap:
    """What of the window can't come again, because no event of it is kept. Reads the window's part of ledger and outbox."""
    using = context(authority).alias
    oldest = Published.objects.using(using).aggregate(oldest=Min("added"))["oldest"]
    end = min(oldest, window.until) if oldest else window.until
    if window.since and window.since >= end:
        return Gap(oldest, 0)
    changed = Q(changed_at__lt=end, announced_version__gte=F("version"))  # the others never had one: `republish` finds them
    if window.since:
        changed &= Q(changed_at__gte=window.since)
    if window.subject:
        changed &= Q(aggregate_id=window.subject)
    missing = 0
    for label in {".".join(wire.split(".")[:2]) for consumer in consumers for wire in consumer.types}:
        kept = Published.objects.using(using).filter(destination__startswith=f"{label}.")
        if window.subject:
            kept = kept.filter(body__subject=window.subject)
        subjects = kept.annotate(subject=KeyTextTransform("subject", "body")).values_list("subject")
        ids = Ledger.objects.using(using).filter(changed, aggregate=label).values_list("aggregate_id")
        missing += ids.difference(subjects).count()
    return Gap(oldest, missing)


def _rows(authority: str, window: Window, types: set[str]) -> QuerySet[Published]:
    wanted = {window.type} & types if window.type else types
    rows: QuerySet[Published] = Published.objects.using(context(authority).alias).filter(
        status=SENT, added__lt=window.until, destination__in=sorted(wanted)
    )
    if window.since:
        rows = rows.filter(added__gte=window.since)
    if window.subject:
        rows = rows.filter(body__subject=window.subject)
    return rows


def _batches(authority: str, window: Window, types: set[str]) -> Iterator[tuple[list[Sendable], datetime]]:
    """The window's events in the order in which they were recorded, and when the last of each batch was."""
    rows = _rows(authority, window, types).order_by("added", "id")
    batch = list(rows.values_list("added", "id", "body")[:BATCH_ROWS])
    while batch:
        added, last, _ = batch[-1]
        yield _sendable(authority, [body for _, _, body in batch]), added
        behind = rows.filter(Q(added__gt=added) | Q(added=added, id__gt=last), added__gte=added)
        batch = list(behind.values_list("added", "id", "body")[:BATCH_ROWS])


def _sendable(authority: str, bodies: Sequence[dict[str, Any]]) -> list[Sendable]:
    """The events as they leave, with their place in the feed where they still tell the latest change."""
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
