"""Reconcile: is the copy what the authority holds, and if not, in what.

`compare` only looks, `watch` is the periodic look that raises an incident. `repair.repair` mends what a comparison found.
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

#: Rows of a comparison that are kept; beyond it they are counted.
MOST_KEPT_ROWS = 10_000


@dataclass
class Comparison:
    """`verdict`: in_sync, drift or unreachable, which is never in_sync; `error` says why. `counts`: by kind, all six of them.
    `rows`: {"id", "kind", "authority", "cache"}, the first `MOST_KEPT_ROWS`. `bytes` crossed the wire in `round_trips`.
    `forgotten`: ids of tombstones that only the copy still has, because the authority purged them. They are no drift; the next
    repair or periodic look forgets them here too, unless the authority was set back."""

    consumer: str = ""
    authority: str = ""
    verdict: str = "in_sync"
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    rows: list[dict[str, Any]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    bytes: int = 0
    round_trips: int = 0
    error: Unreachable | Denied | None = None

    @property
    def differing(self) -> int:
        return sum(self.counts.values())


def compare(replica: Replica, *, progress: Callable[[int], None] = lambda trips: None) -> Comparison:
    """Compare a copy with its authority; what is under way is no difference. `progress` is told of each round trip.

    Where both are equal, an incident of drift is over. Where they are but for rows that are erased here, a copy that was in doubt
    is so no more.

    An authority that doesn't answer, or refuses, is a verdict.
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
    """Fill in what a comparison finds. Raises `Unreachable`, `Denied`."""
    cache, own = replica.cache, replica.subscription()
    partial, since = own.partial, own.doubtful_since
    # Before the comparison: it covers all up to there.
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
    settled = found.differing == found.counts["erased_here"]  # who is erased here is never decided on
    replica.update(drift=found.counts, compared_at=timezone.now())
    if not found.differing:
        incidents.drift(replica.alias, replica.authority, [])
    if since and place and settled:
        history.end_doubt(replica.alias, replica.authority, since, place.head, place.mark)


def watch(replica: Replica, *, pull: bool = False) -> Comparison:
    """Compare without repairing: drift opens an incident, or goes on with it. An authority that doesn't
    answer changes neither; a copy that was begun without the past isn't compared.

    `pull`: what differs is pulled first, and counts only if it differs in the same way afterwards. Where relay or worker die time
    and again, events are later than a comparison waits for them, and being late is lag and no drift. Raises what a pull raises.
    """
    if replica.subscription().partial:
        return Comparison()  # it would list nearly everything, each time
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
    """What differs in both with the same row in the cache. Where not all rows were kept, `after` as it is."""
    if before.differing > len(before.rows) or after.differing > len(after.rows) or after.verdict == "unreachable":
        return after
    known = {row["id"]: row["cache"] for row in before.rows}
    after.rows = [row for row in after.rows if row["id"] in known and known[row["id"]] == row["cache"]]
    after.counts = {kind: sum(row["kind"] == kind for row in after.rows) for kind in KINDS}
    after.verdict = "drift" if after.rows else "in_sync"
    return after


def forgotten(cache: Cache, row: Difference) -> bool:
    """Whether a ghost is a tombstone that the authority purged."""
    return row.kind == "ghost" and drift.is_tombstone(cache, row.cache)


def _keep(replica: Replica, tombstones: Sequence[Difference]) -> None:
    """An authority that was set back lacks what it purged, and what it lost. Nothing tells one from the other, so none of these
    tombstones is ever forgotten: a later backup may revive whom it lost."""
    erased = [row.id for row in tombstones if row.cache is not None and not row.cache.get("deleted")]
    lost = [{"authority": replica.authority, "aggregate_id": key} for key in erased]
    insert_new(LostErasure, lost, key="id", unique=("authority", "aggregate_id"), using=replica.alias)


def remove(replica: Replica, ids: Sequence[str]) -> None:
    """Forget tombstones that the authority has purged. What waits for a retry would find no tombstone any more, and bring back whom
    it tells of; so it goes with them. An authority that was set back has lost some; so it is asked for its marks before.

    Raises `Unreachable`, `Denied`."""
    if not ids:
        return
    pulls.vouch(replica)
    if replica.subscription().doubt:
        return
    using, authority = replica.alias, replica.authority
    kept = set(LostErasure.objects.using(using).filter(authority=authority).values_list("aggregate_id", flat=True))
    purged = [key for key in ids if key not in kept]
    if purged:
        with transaction.atomic(using=using):
            clear_for_repair(replica.cache, using, purged, known=())
            parked.discard_for(using, authority, purged)


def as_dict(row: Difference) -> dict[str, Any]:
    return {"id": row.id, "kind": row.kind, "authority": _plain(row.authority), "cache": _plain(row.cache)}


def _plain(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value for name, value in values.items()
    }
