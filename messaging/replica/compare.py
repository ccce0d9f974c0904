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
from messaging.models import LostErasure, Subscription
from messaging.ownership.follower import clear_for_repair
from messaging.replica import drift
from messaging.replica import pull as pulls
from messaging.replica.client import AuthorityClient
from messaging.replica.search import KINDS, Difference, Search

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


def compare(
    consumer: str, authority: str, *, client: AuthorityClient | None = None, progress: Callable[[int], None] = lambda trips: None
) -> Comparison:
    """Compare a consumer's copy with its authority; what is under way is no difference. `progress` is told of each round trip.

    Where both are equal, an incident of drift is over. Where they are but for rows that are erased here, a copy that was in doubt
    is so no more.

    Raises `NoCache`; an authority that doesn't answer, or refuses, is a verdict.
    """
    cache, asking = pulls.cache_of(consumer, authority), client or AuthorityClient(authority, consumer)
    own = pulls.subscribed(consumer, authority)
    partial, since = own.partial, own.doubtful_since
    found, bytes_, trips = Comparison(consumer, authority), asking.bytes, asking.round_trips
    try:
        place = (
            asking.changes(pulls.BEYOND, limit=1, marks="") if since else None
        )  # before the comparison: it covers all up to there
        for page in Search(consumer, cache, asking, progress).pages():
            gone = [row for row in page if forgotten(cache, row)]
            found.forgotten += [row.id for row in gone]
            if since:
                _keep(consumer, authority, gone)
            drifted = [row for row in page if not forgotten(cache, row) and not (partial and row.kind == "missing")]
            for row in drifted:
                found.counts[row.kind] += 1
            found.rows += [as_dict(row) for row in drifted[: max(0, MOST_KEPT_ROWS - len(found.rows))]]
        found.verdict = "drift" if found.differing else "in_sync"
        settled = found.differing == found.counts["erased_here"]  # who is erased here is never decided on
        note(consumer, authority, drift=found.counts, compared_at=timezone.now())
        if not found.differing:
            incidents.drift(consumer, authority, [])
        if since and place and settled:
            history.end_doubt(consumer, authority, since, place.head, place.mark)
    except (Unreachable, Denied) as error:
        found.verdict, found.error = "unreachable", error
    finally:
        if client is None:
            asking.close()
    found.bytes, found.round_trips = asking.bytes - bytes_, asking.round_trips - trips
    return found


def watch(consumer: str, authority: str, *, client: AuthorityClient | None = None, pull: bool = False) -> Comparison:
    """Compare without repairing: drift opens an incident, or goes on with it. An authority that doesn't
    answer changes neither; a copy that was begun without the past isn't compared.

    `pull`: what differs is pulled first, and counts only if it differs in the same way afterwards. Where relay or worker die time
    and again, events are later than a comparison waits for them, and being late is lag and no drift. Raises what a pull raises.
    """
    if pulls.subscribed(consumer, authority).partial:
        return Comparison()  # it would list nearly everything, each time
    found = compare(consumer, authority, client=client)
    if pull and found.verdict == "drift":
        pulls.catch_up(consumer, authority, client=client)
        found = _lasting(found, compare(consumer, authority, client=client))
        if found.verdict != "unreachable":
            note(consumer, authority, drift=found.counts)
    if found.verdict != "unreachable":
        remove(consumer, authority, pulls.cache_of(consumer, authority), found.forgotten, client=client)
        incidents.drift(consumer, authority, [row["id"] for row in found.rows])
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


def _keep(consumer: str, authority: str, tombstones: Sequence[Difference]) -> None:
    """An authority that was set back lacks what it purged, and what it lost. Nothing tells one from the other, so none of these
    tombstones is ever forgotten: a later backup may revive whom it lost."""
    erased = [row.id for row in tombstones if row.cache is not None and not row.cache.get("deleted")]
    lost = [{"authority": authority, "aggregate_id": key} for key in erased]
    insert_new(LostErasure, lost, key="id", unique=("authority", "aggregate_id"), using=consumer)


def remove(consumer: str, authority: str, cache: Cache, ids: Sequence[str], *, client: AuthorityClient | None) -> None:
    """Forget tombstones that the authority has purged. What waits for a retry would find no tombstone any more, and bring back whom
    it tells of; so it goes with them. An authority that was set back has lost some; so it is asked for its marks before.

    Raises `Unreachable`, `Denied`."""
    if not ids:
        return
    asking = client or AuthorityClient(authority, consumer)
    try:
        pulls.vouch(consumer, authority, asking)
    finally:
        if client is None:
            asking.close()
    if pulls.subscribed(consumer, authority).doubt:
        return
    kept = set(LostErasure.objects.using(consumer).filter(authority=authority).values_list("aggregate_id", flat=True))
    purged = [key for key in ids if key not in kept]
    if purged:
        with transaction.atomic(using=consumer):
            clear_for_repair(cache, consumer, purged, known=())
            parked.discard_for(consumer, authority, purged)


def note(consumer: str, authority: str, **values: Any) -> None:
    Subscription.objects.using(consumer).filter(pk=authority).update(**values)


def as_dict(row: Difference) -> dict[str, Any]:
    return {"id": row.id, "kind": row.kind, "authority": _plain(row.authority), "cache": _plain(row.cache)}


def _plain(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value for name, value in values.items()
    }
