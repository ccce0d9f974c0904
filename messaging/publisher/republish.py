"""Republish: record an event for each aggregate whose last change never got one.

An indexed query on the ledger finds these aggregates: `version > announced_version`. Each aggregate gets one event with its present
state, marked `repair`. The steps in between are lost, but consumers keep states, not histories.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet
from pydantic import ValidationError

from messaging import failpoints
from messaging.errors import NoFeed
from messaging.events import tracing
from messaging.ledger import ledger
from messaging.models import Ledger
from messaging.publisher import outbox, page_sql, unseen
from messaging.publisher.feed import Feed, declared_feed
from messaging.settings import Alias, context

BATCH_ROWS = 1000


@dataclass
class Republished:
    """The result of `republish`."""

    ids: list[str] = field(default_factory=list)  #: the aggregates that got an event
    refused: dict[str, str] = field(default_factory=dict)  #: aggregates whose state isn't a valid event, and the reason

    @property
    def count(self) -> int:
        return len(self.ids)


def missing(authority: str) -> Iterator[str]:
    """Ids of the aggregates whose last change has no event. Raises `NoFeed`."""
    rows = _unannounced(context(authority).alias, _feed(authority))
    return rows.order_by("id").values_list("aggregate_id", flat=True).iterator(chunk_size=BATCH_ROWS)


def preview(authority: str) -> list[str]:
    """Ids of the aggregates that `republish` would record an event for, including changes that no trigger saw. Writes nothing.
    Raises `NoFeed`."""
    return list(dict.fromkeys([*missing(authority), *unseen.unseen_ids(context(authority).alias, _feed(authority))]))


def count_unannounced(authority: str) -> int:
    """The number of aggregates that `missing` yields."""
    return _unannounced(context(authority).alias, _feed(authority)).count()


def republish(authority: str, *, progress: Callable[[int], None] = lambda done: None) -> Republished:
    """Record the missing events, a batch per transaction. `progress` is called with the size of each batch. Safe to repeat, to
    stop, and to run twice at once: each aggregate gets one event. Raises `NoFeed`.

    It first records unlocked entries in batches, then waits for the locked ones, each in its own transaction. Writers lock rows in
    another order, so waiting with several locks could deadlock, and the database might end the writer's transaction. With one lock
    nobody waits for us in turn.
    """
    using, feed, done = context(authority).alias, _feed(authority), Republished()
    unseen.enter(using, feed)
    # One correlation id for all of them, so that one event leads to the others.
    with tracing.tracing(str(uuid.uuid4())):
        for waiting in (False, True):
            last: int | None = 0
            while last is not None:
                before = done.count
                last = _batch(using, feed, done, after=last, waiting=waiting)
                progress(done.count - before)
    return done


def _batch(using: Alias, feed: Feed, done: Republished, *, after: int, waiting: bool) -> int | None:
    """Record one batch after this ledger id. Returns the batch's last id, or None if it was empty."""
    with transaction.atomic(using=using):
        rows = _unannounced(using, feed).filter(id__gt=after).order_by("id")
        locked = list(rows.select_for_update(skip_locked=not waiting)[: 1 if waiting else BATCH_ROWS])
        failpoints.reach("republish.locked")
        entries = [entry for entry in locked if entry.aggregate_id not in done.refused]
        try:
            refused = {}
            with transaction.atomic(using=using):
                _record(using, feed, entries)
        except ValueError:
            refused = _one_by_one(using, feed, entries)
    done.refused.update(refused)
    done.ids += [entry.aggregate_id for entry in entries if entry.aggregate_id not in refused]
    return locked[-1].pk if locked else None


def _one_by_one(using: Alias, feed: Feed, entries: list[Ledger]) -> dict[str, str]:
    """Record a batch one by one. Returns the ids that can't be recorded, with the reason."""
    refused = {}
    for entry in entries:
        try:
            with transaction.atomic(using=using):
                _record(using, feed, [entry])
        except ValidationError as error:  # without the fields' values, which may be personal data
            places = sorted({".".join(map(str, found["loc"])) for found in error.errors(include_input=False)})
            refused[entry.aggregate_id] = f"{', '.join(places)}: not allowed by the event's contract"
        except ValueError as error:
            refused[entry.aggregate_id] = str(error)
    return refused


def _record(using: Alias, feed: Feed, entries: list[Ledger]) -> None:
    """Record one event for each entry. The entries are locked, so their rows can't change: a write must update its entry."""
    data = page_sql.data(using, feed, [entry.aggregate_id for entry in entries])
    records = []
    for entry in entries:
        event = feed.event(data[entry.aggregate_id], first=entry.announced_version == 0)
        records.append(outbox.Record(event, entry.aggregate_id, time=entry.changed_at))
    outbox.record_many(records, using=using, repair=True)


def _unannounced(using: Alias, feed: Feed) -> QuerySet[Ledger]:
    return ledger.unannounced(using, feed.aggregate)


def _feed(authority: str) -> Feed:
    feed = declared_feed(authority)
    if feed is None:
        raise NoFeed(
            f"{authority} has no feed, so the current state of its rows can't be read. Declare one: FEED in {authority}/feed.py."
        )
    return feed
