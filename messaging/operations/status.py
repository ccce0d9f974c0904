"""The state of each consumer in each authority's feed, and of each outbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Min
from django.utils import timezone

from messaging import settings
from messaging.consumer import handlers
from messaging.consumer.cache import declared_cache, declared_caches
from messaging.database.outbox_pattern import FAILED, WAITING
from messaging.errors import DatabaseUnreadable
from messaging.events.text import said
from messaging.ledger import ledger, sequencer
from messaging.models import Consumer, Incident, Ledger, Parked, Subscription, Tracking
from messaging.ownership import ownership
from messaging.publisher import outbox
from messaging.replica import staleness
from messaging.replica.drift import KINDS
from messaging.settings import Alias, Context

#: The scheduler asks every second. A busy worker needs longer, but not that long.
LATE_RETRY = timedelta(minutes=1)
#: States of a copy that has contacted its authority.
CONTACTED = (Subscription.State.LIVE, Subscription.State.UNREACHABLE)

#: The state of a copy that can't be proven current (`messaging.consumer.history`), whatever its subscription's state.
DOUBTFUL = "doubtful"


@dataclass(frozen=True)
class ConsumerState:
    """A consumer's progress in an authority's feed. None: unknown in this process, or not known yet.

    A consumer that keeps no copy and only acts on events has no `lag`, `staleness_seconds` and `drift`.
    """

    consumer: str
    authority: str
    #: The subscription's state; "new" (nothing received yet), "doubtful", or "elsewhere" (the consumer runs in another process).
    state: str
    registered: bool | None = None
    checkpoint: int | None = None
    head: int | None = None
    #: Positions behind the head.
    lag: int | None = None
    staleness_seconds: float | None = None
    parked: int | None = None
    #: Rows that differed in the last comparison.
    drift: int | None = None
    #: Open incidents.
    incidents: int | None = None
    #: The summary of an incident: the authority or the consumer was set back to a backup.
    restored: str | None = None
    #: The other context knows of marks, by which a restored database is noticed.
    marks: bool | None = None
    drift_by_kind: dict[str, int] | None = None
    compared_at: datetime | None = None
    last_repair_at: datetime | None = None
    last_event_at: datetime | None = None
    heartbeat_at: datetime | None = None


@dataclass(frozen=True)
class OutboxState:
    """A context's events that aren't sent yet (`pending`) or can't be sent (`failed`)."""

    context: str
    pending: int
    failed: int
    oldest_seconds: float | None


@dataclass(frozen=True)
class TrackingState:
    """A tracked model whose older rows aren't all in the ledger yet, so its feed is closed. `rows`: None until they are counted."""

    database: str
    aggregate: str
    entered: int
    rows: int | None


def consumer_states() -> list[ConsumerState]:
    """Return each consumer of this process with each of its authorities, and the other consumers of this process's authorities."""
    heads, registers = _heads(), _registers()
    states: list[ConsumerState] = []
    for consumer, context in settings.contexts().items():
        using = context.alias
        with reading(context):
            subscriptions = {row.authority: row for row in Subscription.objects.of(using)}
            authorities = {wire.partition(".")[0] for wire in handlers.table(consumer)} | set(subscriptions)
            parked, incidents, restored = _parked(using, authorities), _incidents(using), _restored(using)
        for authority in sorted(authorities - _resting(context)):
            row, publisher = subscriptions.get(authority), settings.authority(authority)
            states.append(
                ConsumerState(
                    consumer=consumer,
                    authority=authority,
                    registered=consumer in registers[publisher] if publisher in registers else None,
                    head=heads.get(publisher, staleness.heard(row)),
                    parked=parked[authority],
                    incidents=incidents.get(authority, 0),
                    restored=restored.get(authority),
                    **_place(consumer, authority, row, heads.get(publisher)),
                )
            )
    return states + list(_elsewhere(heads, registers))


def _resting(context: Context) -> set[str]:
    """Return the authorities whose rows a split moved to this consumer. Its checkpoint there is kept only for the way back."""
    return {
        name
        for name, cache in declared_caches(context.name).items()
        if cache.follows and not ownership.follows(context.alias, ledger.aggregate_of(cache.model))
    }


def _place(consumer: str, authority: str, row: Subscription | None, head: int | None) -> dict[str, Any]:
    """Return the values of the consumer's own record. Without a copy, no process keeps its state current."""
    if row is None:
        copies = declared_cache(consumer, authority) is not None
        return {"state": "new", "checkpoint": 0, "lag": staleness.behind(None, head) if copies else None}
    place = {"state": "live", "checkpoint": row.checkpoint, "last_event_at": row.last_event_at, "heartbeat_at": row.heartbeat_at}
    if declared_cache(consumer, authority) is None:
        return place
    age = staleness.age(row)
    return place | {
        "state": DOUBTFUL if row.doubt else row.state,
        "lag": staleness.behind(row, head),
        "staleness_seconds": None if age is None else round(age.total_seconds(), 1),
        "marks": None if row.marks is None and row.state not in CONTACTED else row.marks is not None,
        "drift": None if row.drift is None else sum(row.drift.get(kind, 0) for kind in KINDS),
        "drift_by_kind": None if row.drift is None else {kind: row.drift[kind] for kind in KINDS if kind in row.drift},
        "compared_at": row.compared_at,
        "last_repair_at": row.repaired_at,
    }


def outbox_states() -> list[OutboxState]:
    """Return the outbox state of every context in this process."""
    states, now = [], timezone.now()
    for name, context in settings.contexts().items():
        with reading(context):
            found = outbox.rows(context.alias, name, WAITING).aggregate(number=Count("pk"), oldest=Min("added"))
            failed = outbox.rows(context.alias, name, FAILED).count()
        pending, oldest = found["number"], found["oldest"]
        seconds = round(max(0.0, (now - oldest).total_seconds()), 1) if oldest else None
        states.append(OutboxState(name, pending, failed, seconds))
    return states


@dataclass(frozen=True)
class Overdue:
    """Failed events of a context whose retry is late, because no scheduler asks for it or no worker does it."""

    context: str
    retries: int


def overdue_retries() -> list[Overdue]:
    """Return the contexts of this process whose retries are late."""
    found = []
    for name, context in settings.contexts().items():
        with reading(context):
            late = Parked.objects.of(context.alias).filter(
                state=Parked.State.RETRYING, next_attempt_at__lt=timezone.now() - LATE_RETRY
            )
            number = late.count()
        if number:
            found.append(Overdue(name, number))
    return found


def tracking_states() -> list[TrackingState]:
    """Return the models of this process that are still being entered in the ledger."""
    states: list[TrackingState] = []
    for alias, context in {context.alias: context for context in settings.contexts().values()}.items():
        with reading(context):
            found = Tracking.objects.using(alias).order_by("aggregate").values_list("aggregate", "entered", "rows")
            states += [TrackingState(alias, *row) for row in found]
    return states


def _heads() -> dict[str, int]:
    """Return each authority's head. Changes without a position count, or a stopped relay would look like no lag."""
    heads = {}
    for authority, context in settings.contexts().items():
        with reading(context):
            # In this order, a change that gets its position in between counts twice for a moment instead of not at all.
            pending = Ledger.objects.of(context.alias).filter(position__isnull=True).count()
            heads[authority] = pending + sequencer.head(context.alias)
    return heads


def _registers() -> dict[str, dict[str, bool | None]]:
    """Return each authority's consumers, and if they know of marks: None if one never reported, because it keeps no copy."""
    registers: dict[str, dict[str, bool | None]] = {}
    for authority, context in settings.contexts().items():
        with reading(context):
            found = Consumer.objects.of(context.alias).values_list("name", "marks", "checkpoint")
            registers[authority] = {name: None if checkpoint is None else marks for name, marks, checkpoint in found}
    return registers


def _parked(using: Alias, authorities: set[str]) -> dict[str, int]:
    """Count unsettled messages by authority. An unreadable message counts for each."""
    unsettled = Parked.objects.of(using).filter(state__in=[Parked.State.PARKED, Parked.State.RETRYING])
    counts = dict.fromkeys(authorities, 0)
    for wire, number in unsettled.order_by().values_list("event_type").annotate(number=Count("pk")):
        source = wire.partition(".")[0]
        for authority in {source} if source in authorities else authorities:
            counts[authority] += number
    return counts


def _incidents(using: Alias) -> dict[str, int]:
    found = Incident.objects.of(using).filter(closed_at=None).order_by().values_list("authority")
    return dict(found.annotate(number=Count("pk")))


def _restored(using: Alias) -> dict[str, str]:
    found = Incident.objects.of(using).filter(closed_at=None, kind=Incident.Kind.RESTORED)
    return dict(found.values_list("authority", "summary"))


def _elsewhere(heads: dict[str, int], registers: dict[str, dict[str, bool | None]]) -> Iterator[ConsumerState]:
    here = set(settings.contexts())
    for authority, consumers in registers.items():
        for consumer in sorted(consumers.keys() - here):
            yield ConsumerState(consumer, authority, "elsewhere", registered=True, head=heads[authority], marks=consumers[consumer])


@contextmanager
def reading(context: Context) -> Iterator[None]:
    """Raise `DatabaseUnreadable` if a context's database doesn't answer, or lacks its tables."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise DatabaseUnreadable(f"The database of {context.name} can't be read: {said(error)}", context.alias) from error
