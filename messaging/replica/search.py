"""What differs between a cache and its authority, found by fingerprints: each side splits only ranges that differ.

The consumer begins. It cuts its ids into sixteen parts of equal size, with the shortest beginnings of ids as bounds, and asks for
their fingerprints; parts that differ are cut again, until they are small enough to list (Meyer, Range-Based Set Reconciliation,
2022, arXiv 2212.13567). One million equal rows cost one round trip; ten differences among them cost six.

What is listed as different is only suspected: both sides were read at different moments, and changes are on their way. So it is
looked at again a little later, now by value.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from messaging.consumer import checkpoints
from messaging.fingerprints import fingerprints
from messaging.replica import drift
from messaging.replica.drift import State
from messaging.replica.replica import Replica

#: Parts that a range is cut into. The second cut of many rows is finer: where little differs here and there, it is the last that
#: scans nearly everything (100 differences of 1,000,000 rows, spread out: 9 s, and 13 s by sixteen).
PARTS, FINER_PARTS = 16, 64
#: A range with so few rows of our own is listed instead of cut; one where most parts differ, with so many.
FEW_ROWS, DENSE_ROWS = 32, 512
#: Ranges, and rows of our own, in one question.
MOST_RANGES, MOST_ROWS = 100, 5_000
#: Ids in one question for records, and suspects that are looked at again together.
MOST_IDS, MOST_SUSPECTS = 1_000, 10_000
#: Seconds after which a change that was under way should have arrived, and how often we look again.
SETTLE_SECONDS, LOOKS = 1.0, 3


@dataclass(frozen=True)
class Difference:
    """One row that differs, with both values (None: there is none): the version and the fields that the cache keeps."""

    id: str
    kind: str
    authority: dict[str, Any] | None
    cache: dict[str, Any] | None


class _Suspect(NamedTuple):
    """The authority's row when it was found to differ, the moment, and how far the consumer had applied everything then."""

    before: State | None
    since: float
    frontier: int


class _Range(NamedTuple):
    low: str
    high: str
    rows: int  # of our own


@dataclass
class Search:
    """A comparison under way, inside `replica.connected()`. `pages` yields what differs, page by page, so that memory doesn't grow
    with what differs."""

    replica: Replica
    progress: Callable[[int], None] = lambda trips: None
    _split: list[_Range] = field(default_factory=list)
    _list: list[_Range] = field(default_factory=list)
    _suspects: dict[str, _Suspect] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.using, self.cache, self.client = self.replica.alias, self.replica.cache, self.replica.client

    def pages(self) -> Iterator[list[Difference]]:
        """Raises `Unreachable` and `Denied`."""
        self._cut([_Range("", "", self.cache.model._base_manager.using(self.using).count())], PARTS)
        large, self._split = self._split, []
        self._cut(large, FINER_PARTS)
        while self._split or self._list:
            # Listed together at the end where little differs; before they grow many where much does.
            if self._split and len(self._list) < MOST_RANGES:
                ranges, self._split = self._split[-MOST_RANGES:], self._split[:-MOST_RANGES]
                self._cut(ranges, PARTS)
            else:
                self._suspect(self._portion())
            if len(self._suspects) >= MOST_SUSPECTS:
                yield from self._confirmed()
        yield from self._confirmed()

    def _cut(self, ranges: Sequence[_Range], finest: int) -> None:
        """Compare the parts of ranges that differ; what has to be looked into goes on one of the two lists."""
        bounds = [
            fingerprints.bounds_of_cache(
                self.using, self.cache, low, high, rows=rows, parts=finest if rows > finest * FEW_ROWS else PARTS
            )
            for low, high, rows in ranges
        ]
        small = [part for part, between in zip(ranges, bounds, strict=True) if len(between) < 3]
        self._list += small
        bounds = [between for between in bounds if len(between) > 2]
        if not bounds:
            return
        # Both sides scan at a time. Which one saw its rows first doesn't matter: what differs is looked at again.
        with ThreadPoolExecutor(1) as beside:
            asked = beside.submit(self.client.fingerprints, bounds)
            ours = fingerprints.measured_of_cache(self.using, self.cache, bounds)
            theirs = asked.result()
        self.progress(1)
        for between, mine, other in zip(bounds, ours, theirs, strict=True):
            parts = zip(between, between[1:], mine, other, strict=False)
            differing = [_Range(low, high, own.rows) for low, high, own, text in parts if own.text != text]
            rows = sum(own.rows for own in mine)
            if rows <= DENSE_ROWS and len(differing) > PARTS // 2:
                self._list.append(_Range(between[0], between[-1], rows))
                continue
            for part in differing:
                (self._list if part.rows <= FEW_ROWS else self._split).append(part)

    def _portion(self) -> list[_Range]:
        """As many of the ranges to be listed as fit in one question."""
        taken: list[_Range] = []
        while self._list and len(taken) < MOST_RANGES and sum(part.rows for part in taken) < MOST_ROWS:
            taken.append(self._list.pop())
        return taken

    def _suspect(self, ranges: Sequence[_Range]) -> None:
        """List the rows of these ranges on both sides, and note what isn't the same."""
        asked = [[low, high] for low, high, _ in ranges]
        theirs = self.client.rows(asked)
        self.progress(1)
        frontier = checkpoints.highest(self.replica.subscription())
        ours, now = fingerprints.rows_of_cache(self.using, self.cache, asked), time.monotonic()
        for part, mine, others in zip(ranges, ours, theirs, strict=True):
            end = fingerprints.listed_to(part.high, mine, others)
            if end != part.high:
                self._list.append(_Range(end, part.high, FEW_ROWS))  # there is more of it
            own, other = _states(mine, end), _states(others, end)
            for key in own.keys() | other.keys():
                if own.get(key) != other.get(key):
                    self._suspects[key] = _Suspect(other.get(key), now, frontier)

    def _confirmed(self) -> Iterator[list[Difference]]:
        """Look at the suspects again; what changed meanwhile gets another chance, and is no difference if it goes on moving."""
        suspects, self._suspects = self._suspects, {}
        for _ in range(LOOKS):
            moving: dict[str, _Suspect] = {}
            ids = sorted(suspects)
            for start in range(0, len(ids), MOST_IDS):
                portion = {key: suspects[key] for key in ids[start : start + MOST_IDS]}
                found = self._look(portion, moving)
                if found:
                    yield found
            suspects = moving
            if not suspects:
                return

    def _look(self, suspects: Mapping[str, _Suspect], moving: dict[str, _Suspect]) -> list[Difference]:
        _wait_until(max(suspect.since for suspect in suspects.values()) + SETTLE_SECONDS)
        # Ours first: a copy that is newer than what its authority says afterwards is ahead, and not just quick. And before ours how
        # far everything is applied: what lies below must be in the rows that are read then.
        frontier = checkpoints.highest(self.replica.subscription())
        ours = drift.own_rows(self.using, self.cache, list(suspects))
        theirs = {record["id"]: record for record in self.client.records(list(suspects))}
        self.progress(1)
        now, found = time.monotonic(), []
        for key, suspect in suspects.items():
            record, row = theirs.get(key), ours.get(key)
            authority = None if record is None else drift.values_of(self.cache, record)
            then = drift.state_of(self.cache, key, authority)
            kind = drift.kind_of(suspect.before, then, drift.state_of(self.cache, key, row))
            if drift.erased_here(self.cache, row, authority):
                kind = "erased_here"
            if kind in ("missing", "stale") and drift.awaited(record, suspect.frontier, frontier):
                kind = "moving"
            if kind == "moving":
                moving[key] = _Suspect(then, now, frontier)
            elif kind:
                found.append(Difference(key, kind, authority, row))
        return found


def _states(rows: Sequence[Sequence[Any]], end: str) -> dict[str, State]:
    return {key: State(version, text) for key, version, text in rows if not end or key < end}


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
