"""Compare a copy with its authority, and say which rows differ.

`compare` only looks. `watch` is the periodic comparison, which opens incidents. `repair.repair` repairs the rows that were found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from messaging.consumer import history, incidents, parked
from messaging.consumer.cache import Cache
from messaging.database.upsert import insert_new
from messaging.errors import Denied, Unreachable
from messaging.models import LostErasure
from messaging.ownership.follower import clear_for_repair
from messaging.replica import drift
from messaging.replica import pull as pulls
from messaging.replica.drift import KINDS
from messaging.replica.replica import Replica
from messaging.replica.search import Difference, Search

#: Differing rows kept with a comparison; any others are only counted.
MOST_KEPT_ROWS = 10_000


@dataclass
class Comparison:
    """A comparison's result."""

    consumer: str = ""
    authority: str = ""
    #: in_sync, drift or unreachable.
    verdict: str = "in_sync"
    #: The number of differing rows of each kind (`drift.KINDS`).
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    #: The first `MOST_KEPT_ROWS` of them: {"id", "kind", "authority", "cache"}.
    rows: list[dict[str, Any]] = field(default_factory=list)
    #: Ids of tombstones that the authority has purged and the copy still has. They aren't drift. The next repair or periodic
    #: comparison deletes them, unless the authority was set back.
    forgotten: list[str] = field(default_factory=list)
    #: Bytes sent and received.
    bytes: int = 0
    round_trips: int = 0
    #: Why the authority counts as unreachable.
    error: Unreachable | Denied | None = None

    @property
    def differing(self) -> int:
        return sum(self.counts.values())


def compare(replica: Replica, *, progress: Callable[[int], None] = lambda trips: None) -> Comparison:
    """Compare a copy with its authority. Changes on their way don't count as differences.

    If both are equal, an incident of drift is closed. If they are equal except for rows that are erased here, a doubtful copy is
    no longer doubtful. An authority that doesn't answer or refuses gives the verdict "unreachable". `progress` is called after each
    round trip.
    """
    found = Comparison(replica.consumer, replica.authority)
    with replica.connected() as client:
        bytes_, trips = client.bytes, client.round_trips
        try:
            _look(replica, found, progress)
        except (Unreachable, Denied) as error:
            found.verdict, found.error = "unreachable", error
        found.bytes, found.round_trips = client.bytes - bytes_, client.round_trips - trips
    return found


def _look(replica: Replica, found: Comparison, progress: Callable[[int], None]) -> None:
    """Fill in the result. Raises `Unreachable`, `Denied`."""
    cache, own = replica.cache, replica.subscription()
    partial, since = own.partial, own.doubtful_since
    # Read before the comparison, which then covers everything up to this head.
    place = replica.client.changes(pulls.BEYOND, limit=1, marks="") if since else None
    for page in Search(replica, progress).pages():
        gone = [row for row in page if forgotten(cache, row)]
        found.forgotten += [row.id for row in gone]
        if since:
            _keep(replica, gone)
        drifted = [row for row in page if not forgotten(cache, row) and not (partial and row.kind == "missing")]
        for row in drifted:
            found.counts[row.kind] += 1
        found.rows += [as_dict(row) for row in drifted[: max(0, MOST_KEPT_ROWS - len(found.rows))]]
    found.verdict = "drift" if found.differing else "in_sync"
    settled = found.differing == found.counts["erased_here"]  # no decision uses a user who is erased here
    replica.update(drift=found.counts, compared_at=timezone.now())
    if not found.differing:
        incidents.drift(replica.alias, replica.authority, [])
    if since and place and settled:
        history.end_doubt(replica.alias, replica.authority, since, place.head, place.mark)


def watch(replica: Replica, *, pull: bool = False) -> Comparison:
    """Compare without repairing. Drift opens an incident or updates it; an unreachable authority changes nothing.

    A copy that began without the past isn't compared. With `pull`, it pulls after finding drift, and counts only rows that still
    differ in the same way: late events, as after crashes of the relay or the worker, are lag, not drift. It then raises the errors
    of `pull.catch_up`.
    """
    if replica.subscription().partial:
        return Comparison()  # nearly every row would be missing
    with replica.connected():
        found = compare(replica)
        if pull and found.verdict == "drift":
            pulls.catch_up(replica)
            found = _lasting(found, compare(replica))
            if found.verdict != "unreachable":
                replica.update(drift=found.counts)
        if found.verdict != "unreachable":
            remove(replica, found.forgotten)
            incidents.drift(replica.alias, replica.authority, [row["id"] for row in found.rows])
    return found


def _lasting(before: Comparison, after: Comparison) -> Comparison:
    """Keep the rows of `after` that differed before with the same row in the copy, if both comparisons kept all their rows."""
    if before.differing > len(before.rows) or after.differing > len(after.rows) or after.verdict == "unreachable":
        return after
    known = {row["id"]: row["cache"] for row in before.rows}
    after.rows = [row for row in after.rows if row["id"] in known and known[row["id"]] == row["cache"]]
    after.counts = {kind: sum(row["kind"] == kind for row in after.rows) for kind in KINDS}
    after.verdict = "drift" if after.rows else "in_sync"
    return after


def forgotten(cache: Cache, row: Difference) -> bool:
    """Return True if a ghost is a tombstone that the authority purged."""
    return row.kind == "ghost" and drift.is_tombstone(cache, row.cache)


def _keep(replica: Replica, tombstones: Sequence[Difference]) -> None:
    """Keep these tombstones for ever: after an authority was set back, it may have purged them or lost them.

    Nothing distinguishes the two, and a later backup may revive the users that it lost.
    """
    erased = [row.id for row in tombstones if row.cache is not None and not row.cache.get("deleted")]
    lost = [{"context": replica.consumer, "authority": replica.authority, "aggregate_id": key} for key in erased]
    insert_new(LostErasure, lost, key="id", unique=("context", "authority", "aggregate_id"), using=replica.alias)


def remove(replica: Replica, ids: Sequence[str]) -> None:
    """Delete tombstones that the authority has purged. Raises `Unreachable`, `Denied`.

    Events that wait for a retry are discarded with them: without the tombstone, they would bring the user back. The authority's
    marks are checked first, because one that was set back has lost tombstones, not purged them.
    """
    if not ids:
        return
    pulls.note_head_mark(replica)
    if replica.subscription().doubt:
        return
    using, authority = replica.alias, replica.authority
    kept = set(LostErasure.objects.of(using).filter(authority=authority).values_list("aggregate_id", flat=True))
    purged = [key for key in ids if key not in kept]
    if purged:
        with transaction.atomic(using=using):
            clear_for_repair(replica.cache, using, purged, known=())
            parked.discard_for(using, authority, purged)


def as_dict(row: Difference) -> dict[str, Any]:
    return {"id": row.id, "kind": row.kind, "authority": _plain(row.authority), "cache": _plain(row.cache)}


def _plain(values: dict[str, Any] | None) -> dict[str, Any] | None:
    """Turn a row's values into JSON's own types, for the command's output and for the repair's record."""
    return None if values is None else {name: _plain_value(value) for name, value in values.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value if isinstance(value, str | int | float | None) else str(value)
