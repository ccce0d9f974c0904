"""Find the rows in which a copy differs from its authority, by fingerprints: only ranges that differ are split.

The consumer cuts its ids into sixteen parts of equal size, with the shortest prefixes of ids as bounds, and requests their
fingerprints from the authority. Parts that differ are cut again, until they are small enough to list (Meyer, Range-Based Set
Reconciliation, 2022, arXiv 2212.13567). One million equal rows cost one round trip; ten differences among them cost six.

A row that is listed as different is only suspected, because both sides were read at different moments and changes are on their
way. So it is read again a little later, by value.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from messaging.consumer import checkpoints
from messaging.fingerprints import fingerprints
from messaging.replica import drift
from messaging.replica.drift import State
from messaging.replica.replica import Replica

#: Parts that a range is cut into. The second cut of many rows is finer: if few rows differ, spread out, it is the last cut that
#: scans nearly everything (100 differences in 1,000,000 rows: 9 s instead of 13 s).
PARTS, FINER_PARTS = 16, 64
#: A range with at most so many of the copy's rows is listed instead of cut; the second number if most of its parts differ.
FEW_ROWS, DENSE_ROWS = 32, 512
#: Ranges, and rows of the copy, in one request.
MOST_RANGES, MOST_ROWS = 100, 5_000
#: Ids in one request for records, and suspects that are checked together.
MOST_IDS, MOST_SUSPECTS = 1_000, 10_000
#: Seconds for a change that is on its way to arrive, and how often a moving row is read again.
SETTLE_SECONDS, LOOKS = 1.0, 3


@dataclass(frozen=True)
class Difference:
    """One row that differs. `authority` and `cache`: the version and the copy's fields on either side; None if there is no row."""

    id: str
    kind: str
    authority: dict[str, Any] | None
    cache: dict[str, Any] | None


class _Suspect(NamedTuple):
    """A row that was found to differ: the authority's row, the time, and the consumer's highest position then."""

    before: State | None
    since: float
    frontier: int


class _Range(NamedTuple):
    low: str
    high: str
    rows: int  # of the copy


@dataclass
class Search:
    """A running comparison, inside `replica.connected()`. `pages` yields the differing rows in pages, so memory stays bounded."""

    replica: Replica
    progress: Callable[[int], None] = lambda trips: None
    _split: list[_Range] = field(default_factory=list)
    _list: list[_Range] = field(default_factory=list)
    _suspects: dict[str, _Suspect] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.using, self.cache, self.client = self.replica.alias, self.replica.cache, self.replica.client

    def pages(self) -> Iterator[list[Difference]]:
        """Yield the differing rows. Raises `Unreachable`, `Denied`."""
        self._cut([_Range("", "", self.cache.model._base_manager.using(self.using).count())], PARTS)
        large, self._split = self._split, []
        self._cut(large, FINER_PARTS)
        while self._split or self._list:
            # Ranges to list are collected: few of them are listed together at the end, many as soon as they fill a request.
            if self._split and len(self._list) < MOST_RANGES:
                ranges, self._split = self._split[-MOST_RANGES:], self._split[:-MOST_RANGES]
                self._cut(ranges, PARTS)
            else:
                self._suspect(self._portion())
            if len(self._suspects) >= MOST_SUSPECTS:
                yield from self._confirmed()
        yield from self._confirmed()

    def _cut(self, ranges: Sequence[_Range], finest: int) -> None:
        """Compare the parts of differing ranges. Each part that differs goes on the list to split or the list to list."""
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
        # Both sides scan at the same time. Their order doesn't matter: rows that differ are read again.
        with self.client.ahead() as pool:
            asked = pool.submit(self.client.fingerprints, bounds)
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
        """Take as many ranges to list as fit in one request."""
        taken: list[_Range] = []
        while self._list and len(taken) < MOST_RANGES and sum(part.rows for part in taken) < MOST_ROWS:
            taken.append(self._list.pop())
        return taken

    def _suspect(self, ranges: Sequence[_Range]) -> None:
        """List the rows of these ranges on both sides, and note those that differ."""
        asked = [[low, high] for low, high, _ in ranges]
        theirs = self.client.rows(asked)
        self.progress(1)
        frontier = checkpoints.highest(self.replica.subscription())
        ours, now = fingerprints.rows_of_cache(self.using, self.cache, asked), time.monotonic()
        for part, mine, others in zip(ranges, ours, theirs, strict=True):
            end = fingerprints.listed_to(self.cache, part.high, mine, others)
            if end != part.high:
                self._list.append(_Range(end, part.high, FEW_ROWS))  # the rest of the range
            own, other = _states(mine, end), _states(others, end)
            for key in own.keys() | other.keys():
                if own.get(key) != other.get(key):
                    self._suspects[key] = _Suspect(other.get(key), now, frontier)

    def _confirmed(self) -> Iterator[list[Difference]]:
        """Read the suspects again. A row that changed meanwhile is read once more, and doesn't count if it still changes."""
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
        # The copy is read before the authority: if it is newer than the authority's later answer, it is really ahead. The frontier
        # is read before both: all changes below it must be in the rows that are read then.
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
