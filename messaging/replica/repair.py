"""Repair: what a comparison found becomes what the authority says now, through the conditional upsert, and is announced."""

import getpass
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from messaging import repair_log
from messaging.consumer.cache import Cache
from messaging.consumer.handlers import Event
from messaging.events.text import plural
from messaging.models import Repair
from messaging.ownership.follower import clear_for_repair
from messaging.replica import changes, compare, drift, pull
from messaging.replica.drift import KINDS
from messaging.replica.replica import Replica
from messaging.replica.search import Search

#: Rows that are mended in one transaction.
BATCH_ROWS = 500
#: Removed rows that are kept with a repair.
MOST_REMOVED_ROWS = 1_000


@dataclass
class _Mended:
    """What a repair did: rows by kind that don't differ any more, and those that were taken out of the cache."""

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
    """Make the rows of a comparison what the authority says now; returns how many don't differ any more.

    Everything goes through the conditional upsert. A row with the authority's version and other content is taken out first, in the
    same transaction: the authority wins. A ghost is taken out, and kept with the repair's record. A row that is ahead means that
    the authority lost data, and stays as it is unless `authority_wins`. A tombstone stays in any case: who is erased here and alive
    at the authority was revived by a backup, and the authority erases them again (`erase_again`).

    The repair is announced to the owners; `by`: who repairs, and this process's user where nobody is named. Raises `Unreachable`,
    `Denied`; what was repaired before stays, and is announced.
    """
    started, mended = timezone.now(), _Mended()
    try:
        with replica.connected():
            compare.remove(replica, comparison.forgotten)
            for rows in _batches(_pages(replica, comparison)):
                left = {"erased_here"} if authority_wins else {"erased_here", "ahead"}
                wanted = [row for row in rows if row["kind"] not in left]
                if wanted:
                    _mend(replica, wanted, mended)
                progress(len(rows))
    finally:
        repaired = sum(mended.counts.values())
        if repaired:
            _announce(replica, comparison, mended, started, authority_wins, by or getpass.getuser())
    return repaired


def _pages(replica: Replica, comparison: compare.Comparison) -> Iterator[list[dict[str, Any]]]:
    """The comparison's rows; where it didn't keep them all, they are looked for again, and mended as they are found."""
    if comparison.differing == len(comparison.rows):
        yield comparison.rows
        return
    for page in Search(replica).pages():
        yield [compare.as_dict(row) for row in page if not compare.forgotten(replica.cache, row)]


def _batches(pages: Iterable[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    for page in pages:
        for start in range(0, len(page), BATCH_ROWS):
            yield page[start : start + BATCH_ROWS]


def _mend(replica: Replica, rows: Sequence[dict[str, Any]], mended: _Mended) -> None:
    using, authority, cache = replica.alias, replica.authority, replica.cache
    records = {record["id"]: record for record in replica.client.records([row["id"] for row in rows])}
    pull.vouch(replica)
    told = changes.read_records(authority, cache, list(records.values()))
    news = {event.subject: event for event in changes.events(authority, told, str(uuid.uuid4()))}
    values = {key: drift.values_of(cache, record) for key, record in records.items()}
    with changes.applying(authority), transaction.atomic(using=using):
        _apply(cache, news.values())
        own = drift.own_rows(using, cache, [row["id"] for row in rows], lock=True)
        over = [row["id"] for row in rows if _stands_in_the_way(cache, row, own.get(row["id"]), values.get(row["id"]))]
        if over:
            clear_for_repair(cache, using, over, known=list(news))
            _apply(cache, [news[key] for key in over if key in news])
        after = drift.own_rows(using, cache, [row["id"] for row in rows])
    gone = [row for row in rows if row["id"] in over and row["id"] not in values and row["id"] not in after]
    removed = [{"id": row["id"], **(row["cache"] or {})} for row in gone]
    mended.removed += removed[: MOST_REMOVED_ROWS - len(mended.removed)]
    for row in rows:
        mended.counts[row["kind"]] += _is_right(cache, row, after.get(row["id"]), values.get(row["id"]))


def _stands_in_the_way(cache: Cache, row: dict[str, Any], own: dict[str, Any] | None, wanted: dict[str, Any] | None) -> bool:
    """Whether the row that is there has to go, because no upsert gets past it. One that moved since it was compared stays."""
    if own is None or drift.erased_here(cache, own, wanted):
        return False
    if wanted is None:
        return bool(row["kind"] == "ghost" and own["version"] == row["cache"]["version"])
    if own["version"] > wanted["version"]:
        return bool(row["kind"] == "ahead")
    return _differs(cache, row["id"], own, wanted)


def _is_right(cache: Cache, row: dict[str, Any], own: dict[str, Any] | None, wanted: dict[str, Any] | None) -> bool:
    """Whether the row is what the authority said; or, but for those that were ahead, has been moved on by an event since."""
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
    mended: _Mended,
    started: datetime,
    authority_wins: bool,
    by: str,
) -> None:
    left = {kind: max(0, number - mended.counts[kind]) for kind, number in comparison.counts.items()}
    repaired, remaining = sum(mended.counts.values()), sum(left.values())
    replica.update(drift=left, repaired_at=timezone.now())
    announced = repair_log.record_and_notify(
        replica.context,
        kind=Repair.Kind.RECONCILE,
        window=f"reconcile {replica} --repair{' --authority-wins' if authority_wins else ''}",
        consumers=[replica.consumer],
        owners=replica.subscription().owners,
        counts=mended.counts,
        result=f"{plural(repaired, 'row')} repaired; still different: {remaining}.",
        started_at=started,
        by=by,
    )
    if mended.removed:  # after the letter: it says how many, the record says which
        announced.counts = {**announced.counts, "removed": mended.removed}
        announced.save(using=replica.alias, update_fields=["counts"])
