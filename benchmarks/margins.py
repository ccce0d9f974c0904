"""The margins that the project must reach against its alternatives, and the known misses."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import parts
from benchmarks.figures import figure


@dataclass(frozen=True)
class Known:
    """A missed margin that docs/benchmarks.md explains. A value beyond `worst` is a failure again."""

    worst: float
    reason: str


#: By the margin's text (docs/benchmarks.md, "Where a margin was missed").
KNOWN = {
    "bootstrap of 100,000 users, beside COPY": Known(0.15, "COPY sends no page over HTTP, commits once and compares nothing"),
    "bootstrap of 1,000,000 users, beside COPY": Known(0.15, "without fsync COPY is twice as fast; with it the margin is reached"),
}


@dataclass(frozen=True)
class Margin:
    """A margin. `most`: True if `bound` is the greatest allowed value, else it is the least. `value`: None if not measured."""

    what: str
    unit: str
    bound: float
    most: bool
    value: float | None

    @property
    def reached(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.bound if self.most else self.value >= self.bound

    @property
    def known(self) -> Known | None:
        """Return the docs' explanation of a miss; None if there is none, or if the miss is worse than explained."""
        known = KNOWN.get(self.what)
        if known is None or self.value is None:
            return None
        return known if (self.value <= known.worst if self.most else self.value >= known.worst) else None

    @property
    def failed(self) -> bool:
        """Return True if the margin is missed and the docs don't explain it."""
        return self.reached is False and self.known is None

    @property
    def verdict(self) -> str:
        """Return a remark for the value; empty if the margin is reached."""
        if self.reached is None:
            return ""
        if self.reached:
            return "reached: take it off the list in benchmarks/margins.py" if self.known else ""
        return f"a known miss: {self.known.reason}" if self.known else "missed"

    @property
    def words(self) -> tuple[str, str, str]:
        """Return the margin's name, its bound and its value."""
        value = "not measured" if self.value is None else f"{_short(self.value)}{self.unit}"
        return self.what, f"{'≤' if self.most else '≥'} {_short(self.bound)}{self.unit}", value


def margins(result: dict[str, Any]) -> Iterator[Margin]:
    """Return the margins of a result (`benchmarks/results/`). A tiny run has none, because it only shows that everything runs."""
    if result.get("size") == "tiny":
        return

    def median(part: str, case: str, path: str) -> float | None:
        return figure(result, part, case, path).median

    ours = median("relay", parts.OURS, "events_per_second")
    for other, least in ((parts.PATTERN, 10), (parts.OUTBOX, 50)):
        theirs = median("relay", other, "events_per_second")
        yield Margin(f"events a second, beside {other}", " ×", least, False, _ratio(ours, theirs))
    for rate, most in ((100, 150), (1000, 500)):
        value = median("relay", parts.OURS, f"latency.{rate}.p99_ms")
        yield Margin(f"p99 from commit to cache row at {rate:,} events a second", " ms", most, True, value)
    for users in (100_000, 1_000_000):
        named = f", {users:,} users"
        rows = median("bootstrap", parts.OURS + named, "rows_per_second")
        ceiling = median("bootstrap", parts.COPY + named, "rows_per_second")
        if rows is not None or ceiling is not None:
            yield Margin(f"bootstrap of {users:,} users, beside COPY", " ×", 0.25, False, _ratio(rows, ceiling))
    found, listed = median("reconcile", parts.OURS, "10.bytes"), median("reconcile", parts.LIST, "versions.bytes")
    share = _ratio(found, listed)
    yield Margin("bytes for 10 differences, of the list's", " %", 0.2, True, None if share is None else 100 * share)
    for differ, bound in ((0, 0.2), (10, 0.4), (100, 0.5), (10_000, 1.1)):
        found, listed = median("reconcile", parts.OURS, f"{differ}.seconds"), median("reconcile", parts.LIST, "versions.seconds")
        if found is not None:
            yield Margin(f"seconds for {differ:,} differences, of the list's", " ×", bound, True, _ratio(found, listed))
    yield Margin("writes lost to the sequencer", " %", 5, True, median("sequencer", parts.OURS, "cost_percent"))
    longest = median("tracking", parts.OURS, "longest_wait_ms")
    yield Margin("the longest that one write took while a table is tracked", " ms", 100, True, longest)


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 20 or value == int(value) else f"{value:.2g}"
