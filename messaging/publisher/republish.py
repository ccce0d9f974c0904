"""Republish: record an event for each change that never got one.

Which changes those are is no guess but a query on the ledger, `version > announced_version`, along an index that holds nothing
else. Each gets one event with the aggregate's present state, marked `repair`; what happened in between isn't known any more, and
consumers keep states, not histories.
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
from messaging.publisher import outbox, unseen
from messaging.publisher.feed import Feed, declared_feed
from messaging.settings import Alias, context

BATCH_ROWS = 1000


@dataclass
class Republished:
    """`ids`: the aggregates that an event was recorded for. `refused`: those whose state makes no event, each with the reason."""

    ids: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.ids)


def missing(authority: str) -> Iterator[str]:
    """Ids of the aggregates whose last change no event was recorded for. Raises `NoFeed`."""
    rows = _unannounced(context(authority).alias, _feed(authority))
    return rows.order_by("id").values_list("aggregate_id", flat=True).iterator(chunk_size=BATCH_ROWS)


def preview(authority: str) -> list[str]:
    """Ids of the aggregates that `republish` would record an event for, those included that no trigger saw. Changes nothing.
    Raises `NoFeed`."""
    return list(dict.fromkeys([*missing(authority), *unseen.unseen_ids(context(authority).alias, _feed(authority))]))


def count_unannounced(authority: str) -> int:
    """How many those are."""
    return _unannounced(context(authority).alias, _feed(authority)).count()


def republish(authority: str, *, progress: Callable[[int], None] = lambda done: None) -> Republished:
    """Record what is missing, a batch to a transaction; `progress` is called with the size of each. Safe to repeat, to break off,
    and to run twice at once: each change gets its event once. Raises `NoFeed`.

    First comes whatever nobody else has locked, many to a transaction; then what is left, one by one, waiting for it. A writer
    takes its rows in another order than ours. Waiting for it with other rows in hand can be a deadlock, and the database might end
    the writer's transaction instead of ours; with one row in hand there is nobody to wait for us in turn.
    """
    using, feed, done = context(authority).alias, _feed(authority), Republished()
    unseen.enter(using, feed)
    # All of them are one story: whoever looks at one event finds the others by its correlation id.
    with tracing.tracing(str(uuid.uuid4())):
        for waiting in (False, True):
            last: int | None = 0
            while last is not None:
                before = done.count
                last = _batch(using, feed, done, after=last, waiting=waiting)
                progress(done.count - before)
    return done


def _batch(using: Alias, feed: Feed, done: Republished, *, after: int, waiting: bool) -> int | None:
    """Record one batch behind this ledger id; returns the last id of it, or None where there was none."""
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
    """Find out which of a batch can't be told; the others are recorded. Returns id to reason."""
    refused = {}
    for entry in entries:
        try:
            with transaction.atomic(using=using):
                _record(using, feed, [entry])
        except ValidationError as error:  # the fields, not their values: those may be personal data
            places = sorted({".".join(map(str, found["loc"])) for found in error.errors(include_input=False)})
            refused[entry.aggregate_id] = f"{', '.join(places)}: not what the event's contract allows"
        except ValueError as error:
            refused[entry.aggregate_id] = str(error)
    return refused


def _record(using: Alias, feed: Feed, entries: list[Ledger]) -> None:
    """One event for each. Their rows can't change meanwhile: a write has to pass its ledger entry, and those are locked."""
    key = feed.tracked.key
    found = feed.model._base_manager.using(using).in_bulk([key.to_python(entry.aggregate_id) for entry in entries])
    records = []
    for entry in entries:
        row, at = found.get(key.to_python(entry.aggregate_id)), entry.changed_at
        first = entry.announced_version == 0
        event = feed.event(row, deleted=entry.deleted, changed_at=at, first=first)
        records.append(outbox.Record(event, entry.aggregate_id, time=at))
    outbox.record_many(records, using=using, repair=True)


def _unannounced(using: Alias, feed: Feed) -> QuerySet[Ledger]:
    return ledger.unannounced(using, feed.label)


def _feed(authority: str) -> Feed:
    feed = declared_feed(authority)
    if feed is None:
        raise NoFeed(f"{authority} shows no facts to others, so it has nothing to publish (MESSAGING['FEEDS']).")
    return feed
