"""Simulates systems that don't fit on one machine: many relays, workers and sequencers, each with its own core.

It makes the table of docs/scaling.md from the costs in the result that docs/benchmarks.md cites (`benchmarks/publish.py`). Events
come at random moments (Poisson). A stage takes all waiting events, up to its batch, and is busy for `fixed + each × number`, like
the relay, the sequencer and the inbox. The model leaves out the one PostgreSQL for all of them, locks between them, the network,
and the relay's pauses. So it shows a stage's upper limit, not that the whole system reaches it.
"""

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import render
from benchmarks.figures import figure
from messaging.events.text import plural

SEED = 1
BASE = 100
FACTORS = (1, 10, 100, 1000)
#: Events per simulation, and the most seconds of them.
EVENTS, SECONDS = 200_000, 30.0
BATCH = 1000
PAGE = render.ROOT / "docs" / "scaling.md"


@dataclass(frozen=True)
class Cost:
    """The seconds of a round without events, and of each event."""

    fixed: float
    each: float


@dataclass(frozen=True)
class Layout:
    """The number of each kind of server. Aggregates are distributed over the sequencers and later stages by a hash of their id."""

    sequencers: int
    relays: int
    workers: int

    @property
    def words(self) -> str:
        return f"{plural(self.sequencers, 'sequencer')}, {plural(self.relays, 'relay')}, {plural(self.workers, 'worker')}"


LAYOUTS = (Layout(1, 1, 1), Layout(1, 4, 4), Layout(4, 16, 16), Layout(16, 64, 64))


def written(page: str, result: dict[str, Any]) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(render.END)
    return f"{before}{BEGIN}\n\n{markdown(costs(result))}\n\n{render.END}{after}"


BEGIN = "<!-- written by benchmarks/simulate.py -->"


def costs(result: dict[str, Any]) -> dict[str, Cost]:
    """Return each stage's cost, from the line through a round of one event and a round of the most events."""
    found = {}
    for stage in ("sequencer", "relay", "worker"):
        one, most = (figure(result, "stages", "ours", f"{stage}.{count}").median for count in (1, BATCH))
        if one is None or most is None:
            raise SystemExit("The cited result has no costs of the stages.")
        each = max(0.0, (most - one) / (BATCH - 1))
        found[stage] = Cost(max(0.0, one - each) / 1000, each / 1000)
    return found


def markdown(found: dict[str, Cost]) -> str:
    lines = ["| events a second | " + " | ".join(layout.words for layout in LAYOUTS) + " |", "|---|" + "---|" * len(LAYOUTS)]
    for factor in FACTORS:
        cells = [cell(BASE * factor, layout, found) for layout in LAYOUTS]
        lines.append(f"| {BASE * factor:,} | " + " | ".join(cells) + " |")
    parts = [f"{stage} {cost.fixed * 1000:.2f} ms a round and {cost.each * 1e6:.0f} µs an event" for stage, cost in found.items()]
    return "\n".join([*lines, "", f"Costs, as measured: {'; '.join(parts)}."])


def cell(rate: int, layout: Layout, found: dict[str, Cost]) -> str:
    """Return the p99 in ms, or the first stage that can't keep up and its rate."""
    for stage, number in (("sequencer", layout.sequencers), ("relay", layout.relays), ("worker", layout.workers)):
        most = number * BATCH / (found[stage].fixed + found[stage].each * BATCH)
        if most < rate:
            return f"{stage}: {most:,.0f} a second at most"
    return f"p99 {p99(rate, layout, found) * 1000:,.0f} ms"


def p99(rate: int, layout: Layout, found: dict[str, Cost]) -> float:
    """Return the p99 of the seconds from commit to applied."""
    chance = random.Random(SEED)
    arrivals = list(_poisson(rate, chance))
    stamped = _stage(arrivals, layout.sequencers, found["sequencer"], chance)
    sent = _stage(stamped, layout.relays, found["relay"], chance)
    applied = _stage(sent, layout.workers, found["worker"], chance)
    waits = [there - at for at, there in zip(arrivals, applied, strict=True)]
    return statistics.quantiles(waits, n=100)[98]


def _poisson(rate: int, chance: random.Random) -> Iterator[float]:
    now = 0.0
    for _ in range(min(EVENTS, round(rate * SECONDS))):
        now += chance.expovariate(rate)
        yield now


def _stage(arrivals: Sequence[float], servers: int, cost: Cost, chance: random.Random) -> list[float]:
    """Return the time at which each event leaves a stage of several servers. Events are distributed at random, as by a hash."""
    places: list[list[int]] = [[] for _ in range(servers)]
    for number in sorted(range(len(arrivals)), key=arrivals.__getitem__):
        places[chance.randrange(servers)].append(number)
    leaving = [0.0] * len(arrivals)
    for waiting in places:
        free, first = 0.0, 0
        while first < len(waiting):
            start = max(free, arrivals[waiting[first]])
            after = first
            while after < len(waiting) and after - first < BATCH and arrivals[waiting[after]] <= start:
                after += 1
            free = start + cost.fixed + cost.each * (after - first)
            for number in waiting[first:after]:
                leaving[number] = free
            first = after
    return leaving
