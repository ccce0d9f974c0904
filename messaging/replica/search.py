"""Find the rows in which a copy differs from its authority, by fingerprints: only ranges that differ are split.

The consumer cuts its ids into sixteen parts of equal size, with the shortest prefixes of ids as bounds, and requests their
fingerprints from the authority. Parts that differ are cut again, until they are small enough to list (Meyer, Range-Based Set
Reconciliation, 2022, arXiv 2212.13567). One million equal rows cost one round trip; ten differences among them cost six.

The more rows are expected to differ in a range, the more parts it is cut into: so many differences take few round trips too.

A row that is listed as different is only suspected, because both sides were read at different moments and changes are on their
way. So it is read again a little later, by value.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from messaging.consumer import checkpoints
from messaging.fingerprints import fingerprints
from messaging.replica import drift
from messaging.replica.drift import State
from messaging.replica.in_process import AtOnce
from messaging.replica.replica import Replica

#: Parts of all rows, and parts that a range is cut into for each row in it that is expected to differ.
PARTS = 16
#: A range with at most so many of the copy's rows is listed instead of cut; the second number if most of its parts differ.
FEW_ROWS, DENSE_ROWS = 32, 512
#: Rows of the copy in the smallest part: a list of so few rows is shorter than the fingerprints of its parts.
LEAST_ROWS = 8
#: Bounds in a request while the authority waits for it: it works on a small one while the next one's bounds are looked up.
FIRST_BOUNDS = 5_000
#: Bounds, ranges to list, and rows of the copy, in one request.
MOST_BOUNDS, MOST_RANGES, MOST_ROWS = 25_000, 500, 5_000
#: Ids in one request for records, and suspects that are checked together.
MOST_IDS, MOST_SUSPECTS = 1_000, 10_000
#: Seconds for a change on its way to arrive (at 1,000 a second, 99 of 100 take less than 0.15), and looks at a row that keeps
#: moving.
SETTLE_SECONDS, LOOKS = 0.5, 3


Item = TypeVar("Item")


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


class _Reading(NamedTuple):
    """Suspects that are read again. `theirs`: the authority's answer, which may still be on its way."""

    suspects: dict[str, _Suspect]
    frontier: int
    ours: dict[str, dict[str, Any]]
    theirs: "Future[list[dict[str, Any]]]"


class _Range(NamedTuple):
    low: str
    high: str
    rows: int  # of the copy
    #: Rows in it that differ, as far as the cut that it comes from shows.
    expected: float = 1.0

    @property
    def parts(self) -> int:
        """The number of parts to cut it into."""
        return max(2, min(round(PARTS * self.expected), -(-self.rows // LEAST_ROWS), MOST_BOUNDS - 1))


@dataclass
class Search:
    """A running comparison, inside `replica.connected()`. `pages` yields the differing rows in pages, so memory stays bounded."""

    replica: Replica
    progress: Callable[[int], None] = lambda trips: None
    _split: list[_Range] = field(default_factory=list)
    #: The bounds of the next request.
    _next: list[list[str]] = field(default_factory=list)
    _list: list[_Range] = field(default_factory=list)
    _suspects: dict[str, _Suspect] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.using, self.cache, self.client = self.replica.alias, self.replica.cache, self.replica.client

    def pages(self) -> Iterator[list[Difference]]:
        """Yield the differing rows. Raises `Unreachable`, `Denied`."""
        rows = self.cache.model._base_manager.using(self.using).count()
        self._cut(self._bounds([_Range("", "", rows)]))
        while self._split or self._next or self._list:
            if self._may_list():
                self._suspect()
            else:
                self._cut(self._next or self._bounds(self._taken(FIRST_BOUNDS)))
            if len(self._suspects) >= MOST_SUSPECTS:
                yield from self._confirmed()
        yield from self._confirmed()

    def _taken(self, most: int) -> list[_Range]:
        """Take as many of the last ranges to split as have at most so many bounds, in their order."""
        first, bounds = len(self._split), 0
        while first and (not bounds or bounds + self._split[first - 1].parts + 1 <= most):
            first -= 1
            bounds += self._split[first].parts + 1
        self._split, taken = self._split[:first], self._split[first:]
        return taken

    def _bounds(self, ranges: Sequence[_Range]) -> list[list[str]]:
        """Return the bounds of these ranges' parts. A range that can't be cut goes on the list to list."""
        found = []
        for each in ranges:
            between = fingerprints.bounds_of_cache(self.using, self.cache, each.low, each.high, rows=each.rows, parts=each.parts)
            if len(between) > 2:
                found.append(between)
            else:
                self._list.append(each)
        return found

    def _cut(self, bounds: list[list[str]]) -> None:
        """Compare the parts of differing ranges. Each part that differs goes on the list to split or the list to list."""
        self._next = []
        if not bounds:
            return
        # Both sides scan at the same time. Their order doesn't matter: rows that differ are read again.
        with self.client.ahead() as pool:
            asked = pool.submit(self.client.fingerprints, bounds)
            ours = fingerprints.measured_of_cache(self.using, self.cache, bounds)
            self._next = self._bounds(self._taken(MOST_BOUNDS))  # the authority takes longer, because it has two tables to scan
            theirs = asked.result()
        self.progress(1)
        differing = [
            [
                _Range(low, high, own.rows)
                for low, high, own, text in zip(between, between[1:], mine, other, strict=False)
                if own.text != text
            ]
            for between, mine, other in zip(bounds, ours, theirs, strict=True)
        ]
        full = sum(len(mine) for mine, found in zip(ours, differing, strict=True) if len(found) == len(mine))
        for between, mine, found in zip(bounds, ours, differing, strict=True):
            rows = sum(own.rows for own in mine)
            if rows <= DENSE_ROWS and len(found) > len(mine) / 2:
                self._list.append(_Range(between[0], between[-1], rows))
                continue
            expected = _expected(len(found), len(mine), full) if found else 0.0
            for part in found:
                (self._list if part.rows <= FEW_ROWS else self._split).append(part._replace(expected=expected))

    def _may_list(self) -> bool:
        """Return True if it is time to list ranges: many as soon as they fill a request, few of them together at the end."""
        enough = MOST_RANGES if self._split or self._next else 1
        return len(self._list) >= enough and len(self._suspects) < MOST_SUSPECTS

    def _portions(self) -> Iterator[list[_Range]]:
        """Take ranges to list, as many at a time as fit in one request."""
        while self._may_list():
            taken: list[_Range] = []
            while self._list and len(taken) < MOST_RANGES and sum(part.rows for part in taken) < MOST_ROWS:
                taken.append(self._list.pop())
            yield taken

    def _suspect(self) -> None:
        """List the rows of ranges on both sides, and note those that differ."""
        with self.client.ahead() as pool:
            asked = ((ranges, pool.submit(self.client.rows, [part[:2] for part in ranges])) for ranges in self._portions())
            for ranges, listed in _one_ahead(asked):
                ours = fingerprints.rows_of_cache(self.using, self.cache, [part[:2] for part in ranges])
                self._compare(ranges, ours, listed.result())
                self.progress(1)

    def _compare(self, ranges: Sequence[_Range], ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> None:
        """Note the listed rows that differ."""
        frontier, now = checkpoints.highest(self.replica.subscription()), time.monotonic()
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
            with self.client.ahead() as pool:
                for reading in _one_ahead(self._read_again(suspects, pool)):
                    found = self._judge(reading, moving)
                    self.progress(1)
                    if found:
                        yield found
            suspects = moving
            if not suspects:
                return

    def _read_again(self, suspects: Mapping[str, _Suspect], pool: ThreadPoolExecutor | AtOnce) -> Iterator[_Reading]:
        """Read the suspects again, as many at a time as fit in one request.

        The copy is read before the authority: if it is newer than the authority's later answer, it is really ahead. The frontier
        is read before both: all changes below it must be in the rows that are read then.
        """
        ids = sorted(suspects, key=lambda key: (suspects[key].since, key))  # the oldest needn't wait any more
        for start in range(0, len(ids), MOST_IDS):
            portion = {key: suspects[key] for key in ids[start : start + MOST_IDS]}
            _wait_until(max(suspect.since for suspect in portion.values()) + SETTLE_SECONDS)
            frontier = checkpoints.highest(self.replica.subscription())
            ours = drift.own_rows(self.using, self.cache, list(portion))
            yield _Reading(portion, frontier, ours, pool.submit(self.client.records, list(portion)))

    def _judge(self, reading: _Reading, moving: dict[str, _Suspect]) -> list[Difference]:
        """Return the suspects that differ. Those that still change are added to `moving`."""
        frontier, theirs = reading.frontier, {record["id"]: record for record in reading.theirs.result()}
        now, found = time.monotonic(), []
        for key, suspect in reading.suspects.items():
            record, row = theirs.get(key), reading.ours.get(key)
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


def _one_ahead(begun: Iterable[Item]) -> Iterator[Item]:
    """Yield each item when the next one has begun, so that the authority works on its request while the caller works on this."""
    waiting: list[Item] = []
    for item in begun:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting


def _states(rows: Sequence[Sequence[Any]], end: str) -> dict[str, State]:
    return {key: State(version, text) for key, version, text in rows if not end or key < end}


def _expected(differing: int, parts: int, full: int) -> float:
    """Estimate how many rows differ in a part that differs, given how many of its range's parts do.

    If rows that differ fall on parts at random, m on each on average, a share of exp(-m) of the parts gets none. If every part
    differs, the result is a lower bound: with fewer rows, one of the `full` parts of all such ranges would probably be equal.
    """
    share = differing / parts if differing < parts else 1 - 1 / (2 * full)
    return -math.log(1 - share) / share


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
