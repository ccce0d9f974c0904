"""The outbox: an event is a row that commits in the same transaction as the change that it announces.

The relay (`relay.py`) sends the rows; `claim` in `messaging/database/engines/` picks the next ones. The pattern is described at
https://microservices.io/patterns/data/transactional-outbox.html.

The rows are django-outbox-pattern's `Published`, written with an explicit alias. Its own `@publish` and relay open their
transaction on `default`, so a row in another database would not be atomic with the change. They are never used.

The table may also hold rows of other contexts, and of a host that uses that package. So all but the claim reads it by `rows`.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import BooleanField, Case, F, Q, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging.database import engines, wakeup
from messaging.database.outbox_pattern import FORMER, NEVER, STATES, WAITING
from messaging.database.upsert import insert_new
from messaging.errors import OutsideTransaction
from messaging.events import tracing
from messaging.events.contract import DomainEvent, envelope
from messaging.events.ids import uuid7
from messaging.events.limits import LARGEST_EVENT_BYTES
from messaging.events.text import plural
from messaging.ledger import ledger
from messaging.publisher import page_sql
from messaging.publisher.feed import declared_feed
from messaging.settings import Alias, contexts


@dataclass(frozen=True)
class Record:
    """An event to record."""

    event: DomainEvent
    subject: uuid.UUID | int | str  #: the id of the aggregate that it is about
    time: datetime | None = None  #: when it happened; None: now


def record(event: DomainEvent, *, subject: uuid.UUID | int | str, using: str) -> Published:
    """Record one event; see `record_many`."""
    return record_many([Record(event, subject)], using=using)[0]


def record_many(records: Sequence[Record], *, using: str, repair: bool = False) -> list[Published]:
    """Record events for changes, in a few statements however many there are. The commit wakes the relay.

    Call it after the write, in the same transaction. Each event gets its aggregate's version from the ledger, which marks that
    version as announced. If the aggregate is a tombstone, the event has the feed's data, even if the row was written again.

    Parameters
    ----------
    repair
        Mark the envelopes as repairs, for changes that are older than their events (`republish`).

    Raises
    ------
    OutsideTransaction
        There is no transaction on `using`.
    NothingToAnnounce
        The ledger doesn't know an aggregate.
    ValueError
        An event belongs to another context, or is too large to send.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        raise OutsideTransaction(
            f"An event can't be recorded outside a transaction on {using!r}. "
            f"Wrap the write and the event in `with transaction.atomic(using={using!r})`."
        )
    if not records:
        return []
    announced: dict[tuple[str, str], ledger.Announced] = {}
    for aggregate in sorted({item.event.aggregate() for item in records}):
        _must_belong(aggregate, using)
        subjects = [str(item.subject) for item in records if item.event.aggregate() == aggregate]
        for subject, entry in ledger.announce(using, aggregate, subjects).items():
            announced[aggregate, subject] = entry
    trace, now = tracing.current(), timezone.now()
    rows = []
    for item in records:
        version, deleted, erased = announced[item.event.aggregate(), str(item.subject)]
        rows.append(_row(_as_tombstone(item, using) if deleted else item, version, trace, now))
        if deleted and not erased:
            rows[-1].body["deleted"] = True
    if repair:
        for row in rows:
            row.body["repair"] = True
    # One statement, because `save()` would rebuild the headers at every call. The times are a microsecond apart, so that the events
    # are sent in the order in which they were recorded.
    values = [_values(row, now + timedelta(microseconds=number)) for number, row in enumerate(rows)]
    insert_new(Published, values, key="id", using=using)
    for context in sorted({aggregate.partition(".")[0] for aggregate, _ in announced}):
        wakeup.wake(contexts()[context].alias)
    return rows


def erase_personal_data(*, aggregate: str, subject: uuid.UUID | int | str, fields: Sequence[str], using: str) -> int:
    """Empty text fields in all stored events of an aggregate, sent or not. Call it in the transaction of an erasure.

    It reads every event of the aggregate's model. Returns the number of the aggregate's events.

    Parameters
    ----------
    aggregate
        The aggregate, as "users.user".
    """
    about = rows(using, aggregate).filter(body__subject=str(subject)).only("body")
    found = [row for row in about if isinstance(row.body.get("data"), dict)]  # others were written by hand, and are never sent
    for row in found:
        row.body["data"].update(dict.fromkeys(row.body["data"].keys() & set(fields), ""))
    Published.objects.using(using).bulk_update(found, ["body"], batch_size=500)
    return len(found)


def ours(using: str, name: str, *states: int) -> Q:
    """The condition that an outbox row is of a context or an aggregate, and in one of these states; without any, in any state."""
    chosen = states or STATES
    former = [theirs for theirs, state in FORMER.items() if state in chosen]
    recorded = Q(status__in=chosen) | (Q(status__in=former) & Q(_sql(engines.for_alias(using).FORMER_ENVELOPE)))
    return Q(destination__startswith=f"{name}.") & recorded


def rows(using: str, name: str, *states: int) -> QuerySet[Published]:
    """The outbox rows of a context ("users") or an aggregate ("users.user") in these states; without any, in any state. Rows of the
    host are left out; those that programs of release 0.1 wrote are included."""
    found: QuerySet[Published] = Published.objects.using(using).filter(ours(using, name, *states))
    return found


def foreign(using: str) -> QuerySet[Published]:
    """The rows that the host recorded with django-outbox-pattern, in any state."""
    not_ours = _sql(f"({engines.for_alias(using).FORMER_ENVELOPE}) IS NOT TRUE")
    found: QuerySet[Published] = Published.objects.using(using).filter(not_ours, status__in=FORMER)
    return found


def adopt(using: str, context: str, limit: int, *, after: uuid.UUID | None = None) -> list[uuid.UUID]:
    """Give today's states to a context's rows that programs of release 0.1 wrote. It takes at most `limit`, by id, from `after` on,
    and returns their ids.

    During an upgrade such programs run beside new ones, which claim only rows with today's states. A row that an old relay has
    locked is skipped. Safe to repeat, and to stop anywhere.
    """
    engine = engines.for_alias(using)
    mine = _sql(f"{engine.CONTEXT} = %s", context)
    former = Published.objects.using(using).filter(_sql(engine.FORMER_ENVELOPE), mine, pk__gt=after or uuid.UUID(int=0))
    if not former.exists():  # it only reads: nearly always there are none, and on SQLite a transaction would block writers
        return []
    with transaction.atomic(using=using):
        keys = list(former.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True)[:limit])
        todays = Case(*(When(status=theirs, then=Value(state)) for theirs, state in FORMER.items()), default=F("status"))
        Published.objects.using(using).filter(pk__in=keys).update(status=todays)
    return keys


def _sql(condition: str, *parameters: Any) -> RawSQL:
    return RawSQL(condition, parameters, output_field=BooleanField())  # noqa: S611  (SQL of the engines, without input)


def _values(row: Published, added: datetime) -> dict[str, Any]:
    names = "id", "destination", "body", "expires_at", "retry", "status", "headers"
    return {**{name: getattr(row, name) for name in names}, "added": added}


def _must_belong(aggregate: str, using: str) -> None:
    name = aggregate.partition(".")[0]
    known = contexts().get(name)
    if known is None:
        raise ValueError(
            f"Events of {aggregate} can't be recorded: MESSAGING['CONTEXTS'] has no context {name!r}. "
            f"It has: {', '.join(contexts())}. Add {name!r}, or begin the event's wire type with a context's name."
        )
    if known.alias != using:
        raise ValueError(f"Events of {aggregate} can't be recorded in {using!r}: record them in the database of their own context.")


def _as_tombstone(item: Record, using: str) -> Record:
    """The event for an aggregate that is a tombstone. Its row may be gone, or have been written again, without a service, and have
    personal data again. The feed doesn't show that data, and an event must not either."""
    feed = declared_feed(item.event.source())
    if feed is None or feed.aggregate != item.event.aggregate():
        return item
    gone_at = page_sql.gone_at(Alias(using), feed, str(item.subject))
    return item if gone_at is None else replace(item, event=feed.gone_event(gone_at))


def _row(item: Record, version: int, trace: tracing.Trace, now: datetime) -> Published:
    event_id = uuid7()
    body: dict[str, Any] = envelope(
        item.event,
        id=str(event_id),
        subject=str(item.subject),
        version=version,
        time=item.time or now,
        correlation=trace.correlation,
        causation=trace.causation,
    )
    size = len(item.event.model_dump_json())
    if size > LARGEST_EVENT_BYTES:
        raise ValueError(
            f"{item.event.wire} for {item.subject} has {plural(size, 'byte')} of data; {LARGEST_EVENT_BYTES:,} are allowed."
        )
    return Published(
        id=event_id,
        destination=item.event.wire,
        body=body,
        expires_at=NEVER,
        status=WAITING,
        headers={"dop-msg-id": str(event_id), "dop-correlation-id": trace.correlation},
    )
