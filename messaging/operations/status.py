"""How things stand: each consumer's place in each authority's feed, and what waits in each outbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Min
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging import settings
from messaging.consumer import handlers
from messaging.consumer.cache import declared_cache, declared_caches
from messaging.database.outbox_pattern import FAILED, WAITING
from messaging.errors import DatabaseUnreadable
from messaging.events.text import said
from messaging.ledger import sequencer
from messaging.models import Consumer, Incident, Ledger, Parked, Subscription
from messaging.ownership import ownership
from messaging.replica import staleness
from messaging.replica.drift import KINDS
from messaging.settings import Alias, Context

#: States of a copy that has asked its authority.
CONTACTED = (Subscription.State.LIVE, Subscription.State.UNREACHABLE)

#: The state of a copy that is in doubt, whatever its subscription's.
DOUBTFUL = "doubtful"


@dataclass(frozen=True)
class ConsumerState:
    """A consumer's place in an authority's feed. None stands for what can't be known from this process, or isn't known yet.

    `state`: the subscription's; new: nothing was heard yet; elsewhere: the consumer runs in another process. Only a copy can lag:
    where the consumer keeps none and only acts on events, `lag`, `staleness_seconds` and `drift` are None. `drift` is the number of
    rows that the last comparison found to differ, `drift_by_kind` what they were; None: never compared. `incidents`: open ones;
    `restored`: what there is to say of a side that was set back to a backup; while the copy is in doubt for it, `state` is
    "doubtful". `marks`: whether the other side knows of marks, by which a restored database is noticed.
    """

    consumer: str
    authority: str
    state: str
    registered: bool | None = None
    checkpoint: int | None = None
    head: int | None = None
    lag: int | None = None
    staleness_seconds: float | None = None
    parked: int | None = None
    drift: int | None = None
    incidents: int | None = None
    restored: str | None = None
    marks: bool | None = None
    drift_by_kind: dict[str, int] | None = None
    compared_at: datetime | None = None
    last_repair_at: datetime | None = None
    last_event_at: datetime | None = None
    heartbeat_at: datetime | None = None


@dataclass(frozen=True)
class OutboxState:
    """What a context recorded and didn't send yet; `failed` can't be sent."""

    context: str
    pending: int
    failed: int
    oldest_seconds: float | None


def consumer_states() -> list[ConsumerState]:
    """Every consumer of this process with each authority it hears, and the other consumers of this process's authorities."""
    heads, registers = _heads(), _registers()
    states: list[ConsumerState] = []
    for consumer, context in settings.contexts().items():
        using = context.alias
        with reading(context):
            subscriptions = {row.authority: row for row in Subscription.objects.using(using)}
            heard = {wire.partition(".")[0] for wire in handlers.table(consumer)} | set(subscriptions)
            parked, incidents, restored = _parked(using, heard), _incidents(using), _restored(using)
        for authority in sorted(heard - _resting(context)):
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
    """Authorities whose rows a split has made the consumer's own: its place in their feed is only kept for the way back."""
    return {
        name
        for name, cache in declared_caches(context.name).items()
        if cache.follows and not ownership.follows(context.alias, cache.model._meta.label_lower)
    }


def _place(consumer: str, authority: str, row: Subscription | None, head: int | None) -> dict[str, Any]:
    """What the consumer's own record says. Nothing tends a subscription without a copy, so its state isn't kept either."""
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
    """The outbox of every context in this process."""
    states, now = [], timezone.now()
    for name, context in settings.contexts().items():
        with reading(context):
            unsent = Published.objects.using(context.alias).filter(status__in=[WAITING, FAILED])
            found = unsent.order_by().values_list("status").annotate(number=Count("pk"), oldest=Min("added"))
            by_status = {status: (number, oldest) for status, number, oldest in found}
        pending, oldest = by_status.get(WAITING, (0, None))
        seconds = round(max(0.0, (now - oldest).total_seconds()), 1) if oldest else None
        states.append(OutboxState(name, pending, by_status.get(FAILED, (0, None))[0], seconds))
    return states


def _heads() -> dict[str, int]:
    """Each authority's head. What isn't stamped yet counts, or a stopped relay would look like no lag."""
    heads = {}
    for authority, context in settings.contexts().items():
        with reading(context):
            # In this order a change that is stamped in between counts twice for a moment, rather than not at all.
            pending = Ledger.objects.using(context.alias).filter(position__isnull=True).count()
            heads[authority] = pending + sequencer.head(context.alias)
    return heads


def _registers() -> dict[str, dict[str, bool | None]]:
    """Each authority's consumers, and whether they know of marks: None for one that never reported, as it keeps no copy."""
    registers: dict[str, dict[str, bool | None]] = {}
    for authority, context in settings.contexts().items():
        with reading(context):
            found = Consumer.objects.using(context.alias).values_list("name", "marks", "checkpoint")
            registers[authority] = {name: None if checkpoint is None else marks for name, marks, checkpoint in found}
    return registers


def _parked(using: Alias, authorities: set[str]) -> dict[str, int]:
    """Unsettled messages by authority. One that can't be told, because it was unreadable, counts with each."""
    unsettled = Parked.objects.using(using).filter(state__in=[Parked.State.PARKED, Parked.State.RETRYING])
    counts = dict.fromkeys(authorities, 0)
    for wire, number in unsettled.order_by().values_list("event_type").annotate(number=Count("pk")):
        source = wire.partition(".")[0]
        for authority in {source} if source in authorities else authorities:
            counts[authority] += number
    return counts


def _incidents(using: Alias) -> dict[str, int]:
    """Open incidents by authority."""
    found = Incident.objects.using(using).filter(closed_at=None).order_by().values_list("authority")
    return dict(found.annotate(number=Count("pk")))


def _restored(using: Alias) -> dict[str, str]:
    found = Incident.objects.using(using).filter(closed_at=None, kind=Incident.Kind.RESTORED)
    return dict(found.values_list("authority", "summary"))


def _elsewhere(heads: dict[str, int], registers: dict[str, dict[str, bool | None]]) -> Iterator[ConsumerState]:
    here = set(settings.contexts())
    for authority, consumers in registers.items():
        for consumer in sorted(consumers.keys() - here):
            yield ConsumerState(consumer, authority, "elsewhere", registered=True, head=heads[authority], marks=consumers[consumer])


@contextmanager
def reading(context: Context) -> Iterator[None]:
    """Around what reads a context's database: raises `DatabaseUnreadable` where that doesn't answer, or lacks its tables."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise DatabaseUnreadable(f"The database of {context.name} can't be read: {said(error)}") from error
