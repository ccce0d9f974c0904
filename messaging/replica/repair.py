"""Repair the rows that a comparison found: write the authority's values by the conditional upsert, and notify the owners."""

import getpass
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from messaging.consumer import repair_log
from messaging.consumer.cache import Cache
from messaging.consumer.handlers import Event
from messaging.events.text import plural
from messaging.models import Repair
from messaging.ownership.follower import clear_for_repair
from messaging.replica import changes, compare, drift, pull
from messaging.replica.drift import KINDS
from messaging.replica.replica import Replica
from messaging.replica.search import Search

#: Rows repaired in one transaction.
BATCH_ROWS = 500
#: Removed rows kept with a repair's record.
MOST_REMOVED_ROWS = 1_000


@dataclass
class _Repaired:
    """A repair's result: the number of repaired rows by kind, and the rows that were removed from the copy."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    removed: list[dict[str, Any]] = field(default_factory=list)


def repair(
    replica: Replica,
    comparison: compare.Comparison,
    *,
    authority_wins: bool = False,
    by: str = "",
    progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Repair the rows of a comparison. Returns how many no longer differ.

    A corrupt row (same version, other content) is removed first, in the same transaction, because the upsert wouldn't replace it.
    A ghost is removed and kept with the repair's record. A row that is ahead stays unless `authority_wins`, because
    a person has to say which side is right. A tombstone always stays: if its user is alive at the authority, a backup revived them,
    and the authority must erase them again (`erase_again`).

    The owners are notified of the repair, which is recorded as done by `by`, or by this process's user. Raises `Unreachable`,
    `Denied`; rows repaired before the error stay repaired, and are recorded.
    """
    started, done = timezone.now(), _Repaired()
    try:
        with replica.connected():
            compare.remove(replica, comparison.forgotten)
            for rows in _batches(_pages(replica, comparison)):
                left = {"erased_here"} if authority_wins else {"erased_here", "ahead"}
                wanted = [row for row in rows if row["kind"] not in left]
                if wanted:
                    _repair_rows(replica, wanted, done)
                progress(len(rows))
    finally:
        repaired = sum(done.counts.values())
        if repaired:
            _announce(replica, comparison, done, started, authority_wins, by or getpass.getuser())
    return repaired


def _pages(replica: Replica, comparison: compare.Comparison) -> Iterator[list[dict[str, Any]]]:
    """Yield the comparison's rows. If it didn't keep all of them, search again."""
    if comparison.differing == len(comparison.rows):
        yield comparison.rows
        return
    for page in Search(replica).pages():
        yield [compare.as_dict(row) for row in page if not compare.forgotten(replica.cache, row)]


def _batches(pages: Iterable[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    for page in pages:
        for start in range(0, len(page), BATCH_ROWS):
            yield page[start : start + BATCH_ROWS]


def _repair_rows(replica: Replica, rows: Sequence[dict[str, Any]], done: _Repaired) -> None:
    using, authority, cache = replica.alias, replica.authority, replica.cache
    records = {record["id"]: record for record in replica.client.records([row["id"] for row in rows])}
    pull.note_head_mark(replica)
    read = changes.read_records(authority, cache, list(records.values()))
    news = {event.subject: event for event in changes.events(replica.subscription(), read)}
    values = {key: drift.values_of(cache, record) for key, record in records.items()}
    with changes.applying(authority), transaction.atomic(using=using):
        _apply(cache, news.values())
        own = drift.own_rows(using, cache, [row["id"] for row in rows], lock=True)
        over = [row["id"] for row in rows if _stands_in_the_way(cache, row, own.get(row["id"]), values.get(row["id"]))]
        if over:
            clear_for_repair(cache, using, over, known=list(news))
            # The copy had these rows in another form, so they are no news.
            _apply(cache, [news[key]._replace(old=True) for key in over if key in news])
        after = drift.own_rows(using, cache, [row["id"] for row in rows])
    gone = [row for row in rows if row["id"] in over and row["id"] not in values and row["id"] not in after]
    removed = [{"id": row["id"], **(row["cache"] or {})} for row in gone]
    done.removed += removed[: MOST_REMOVED_ROWS - len(done.removed)]
    for row in rows:
        done.counts[row["kind"]] += _is_right(cache, row, after.get(row["id"]), values.get(row["id"]))


def _stands_in_the_way(cache: Cache, row: dict[str, Any], own: dict[str, Any] | None, wanted: dict[str, Any] | None) -> bool:
    """Return True if an upsert can't replace the row, so it has to be removed. A row that changed since the comparison stays."""
    if own is None or drift.erased_here(cache, own, wanted):
        return False
    if wanted is None:
        return bool(row["kind"] == "ghost" and own["version"] == row["cache"]["version"])
    if own["version"] > wanted["version"]:
        return bool(row["kind"] == "ahead")
    return _differs(cache, row["id"], own, wanted)


def _is_right(cache: Cache, row: dict[str, Any], own: dict[str, Any] | None, wanted: dict[str, Any] | None) -> bool:
    """Return True if the row equals the authority's, or is newer by an event that came since (unless it was ahead before)."""
    if own and wanted and own["version"] > wanted["version"]:
        return str(row["kind"]) != "ahead"
    return not _differs(cache, str(row["id"]), own, wanted)


def _differs(cache: Cache, key: str, own: dict[str, Any] | None, wanted: dict[str, Any] | None) -> bool:
    return drift.state_of(cache, key, own) != drift.state_of(cache, key, wanted)


def _apply(cache: Cache, events: Iterable[Event]) -> None:
    listed = list(events)
    if listed:
        cache.apply(listed, "repair")


def _announce(
    replica: Replica,
    comparison: compare.Comparison,
    done: _Repaired,
    started: datetime,
    authority_wins: bool,
    by: str,
) -> None:
    left = {kind: max(0, number - done.counts[kind]) for kind, number in comparison.counts.items()}
    repaired, remaining = sum(done.counts.values()), sum(left.values())
    replica.update(drift=left, repaired_at=timezone.now())
    announced = repair_log.record_and_notify(
        replica.context,
        kind=Repair.Kind.RECONCILE,
        window=f"reconcile {replica} --repair{' --authority-wins' if authority_wins else ''}",
        consumers=[replica.consumer],
        owners=replica.subscription().owners,
        counts=done.counts,
        result=f"{plural(repaired, 'row')} repaired, {remaining:,} still {'differs' if remaining == 1 else 'differ'}.",
        started_at=started,
        by=by,
    )
    if done.removed:  # after the e-mail, which says only how many
        announced.counts = {**announced.counts, "removed": done.removed}
        announced.save(using=replica.alias, update_fields=["counts"])
