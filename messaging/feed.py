"""The changes feed: every aggregate once, at its latest change, in the order of positions.

A reader that asks again from where it stopped can't pass by a change: positions are stamped after commit (`sequencer`), and a read
stamps first what is pending. The feed is the authority's side of catch up and of bootstrap; it needs no broker and no relay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone

from messaging import sequencer
from messaging.feeds import Feed
from messaging.models import Ledger
from messaging.models import Sequence as Head

_LEDGER = "aggregate_id", "version", "announced_version", "position", "deleted", "changed_at"


@dataclass(frozen=True)
class Page:
    """`head`: the last position when the page was read, at `time` by the authority's clock. `next`: where to go on.
    `results`: the changes, as the API shows them."""

    head: int
    next: int
    time: datetime
    results: list[dict[str, Any]]


def page(authority: str, feed: Feed, *, since: int, until: int | None, limit: int, fields: Sequence[str]) -> Page:
    """Changes behind position `since`, up to `until` (or the head), at most `limit`, with these fields of the data.

    `next` is `since` for the next page: the last position of this one, or the end of what was asked for where it is the last.
    """
    now = timezone.now()  # before the head is read: whoever has everything up to the head is as fresh as this
    if _pending(authority):  # an indexed look; stamping takes a lock
        sequencer.stamp_pending(authority)
    head = sequencer.head(authority)
    end = head if until is None else min(until, head)
    rows = list(
        Ledger.objects.using(authority)
        .filter(position__gt=since, position__lte=end, aggregate=feed.label)
        .order_by("position")
        .values_list(*_LEDGER)[:limit]
    )
    following = rows[-1][3] if len(rows) == limit else max(since, end)
    return Page(head, following, now, _changes(authority, feed, rows, fields))


def records(authority: str, feed: Feed, *, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
    """The present state of these aggregates, as in a page; unknown ids are left out."""
    rows = Ledger.objects.using(authority).filter(aggregate=feed.label, aggregate_id__in=ids).values_list(*_LEDGER)
    return _changes(authority, feed, list(rows), fields)


def floor(authority: str) -> int:
    """Tombstones up to this position may be gone."""
    return Head.objects.using(authority).values_list("floor", flat=True).first() or 0


def waits(authority: str, since: int) -> bool:
    """Whether there is anything behind `since`: two indexed looks, for a long poll."""
    return sequencer.head(authority) > since or _pending(authority)


def _pending(authority: str) -> bool:
    return Ledger.objects.using(authority).filter(position__isnull=True).exists()


def _changes(authority: str, feed: Feed, rows: list[Any], fields: Sequence[str]) -> list[dict[str, Any]]:
    """The ledger's rows with their facts. The ledger was read first: a change in between makes a fact newer than its version, never
    older, and comes again with its own position."""
    wanted = [name for name in feed.fields if name in fields]
    mark = feed.tracked.tombstone
    read = list(dict.fromkeys([*wanted, *([mark[0]] if mark else [])]))
    key: models.Field[Any, Any] = feed.tracked.key
    ids = [key.to_python(row[0]) for row in rows]
    found = feed.model._base_manager.using(authority).filter(pk__in=ids).values_list("pk", *read)
    rows_by_key = {row[0]: row for row in found}
    results = []
    for (aggregate_id, version, announced, position, deleted, changed_at), key_value in zip(rows, ids, strict=True):
        row = rows_by_key.get(key_value)
        if row is not None and not deleted:
            data = dict(zip(wanted, row[1:], strict=False))  # the columns that were read for the mark alone come last
        else:
            known = None if row is None else dict(zip(read, row[1:], strict=True))
            values = feed.values(known, deleted=deleted, changed_at=changed_at)
            data = {name: values[name] for name in wanted if name in values}
        results.append(
            {
                "id": aggregate_id,
                "version": version,
                "position": position,
                "deleted": deleted,
                "time": changed_at,
                "announced": announced >= version,
                "data": data,
            }
        )
    return results
