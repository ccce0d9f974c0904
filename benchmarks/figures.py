"""A result's figures, for the table, the margins and the docs: the median of the runs and their spread."""

import statistics
from dataclasses import dataclass
from typing import Any

from messaging.events.text import plural


@dataclass(frozen=True)
class Figure:
    """A figure of a part. `values`: one per run that has it. `behind`: True if some events hadn't arrived in a run, so the values
    are lower bounds. `errors`: one per failed run."""

    values: tuple[float, ...]
    errors: tuple[str, ...]
    behind: bool = False

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    def text(self, digits: int = 0) -> str:
        """Write the figure as "11,800 (11,619–12,115)", with "≥" before a lower bound and the failed runs at the end."""
        words = []
        if self.median is not None:
            low, high = min(self.values), max(self.values)
            mark = "≥ " if self.behind else ""
            words.append(f"{mark}{self.median:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})")
        if self.errors:
            total = len(self.values) + len(self.errors)
            words.append(f"{len(self.errors)} of {plural(total, 'run')} failed: {self.errors[0]}")
        return "; ".join(words) or "not measured"


def figure(result: dict[str, Any], part: str, case: str, path: str) -> Figure:
    """Read a figure of a part from a result (`benchmarks/results/`); `path` is like "latency.10.p50_ms"."""
    found: dict[str, Any] = next((one for one in result["parts"] if one["name"] == part), {"cases": {}})
    values, errors, behind = [], [], False
    for run in found["cases"].get(case, []):
        if "error" in run:
            errors.append(run["error"])
            continue
        at = run["figures"]
        for word in path.split("."):
            behind = behind or bool(at.get("behind"))
            at = at.get(word, {}) if isinstance(at, dict) else {}
        if isinstance(at, int | float):
            values.append(float(at))
    return Figure(tuple(values), tuple(errors), behind)
