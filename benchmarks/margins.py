"""What ours must reach beside its alternatives, and whether it did."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import parts
from benchmarks.figures import figure


@dataclass(frozen=True)
class Margin:
    """`most`: whether `bound` is the most or the least that `value` may be; `value` None where nothing was measured."""

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
    def words(self) -> tuple[str, str, str]:
        """What, the bound, the value."""
        value = "not measured" if self.value is None else f"{_short(self.value)}{self.unit}"
        return self.what, f"{'≤' if self.most else '≥'} {_short(self.bound)}{self.unit}", value


def margins(result: dict[str, Any]) -> Iterator[Margin]:
    """Of a result as `benchmarks/results/` has it."""

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
    yield Margin("writes lost to the sequencer", " %", 5, True, median("sequencer", parts.OURS, "cost_percent"))


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 20 or value == int(value) else f"{value:.2g}"
