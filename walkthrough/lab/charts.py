"""A line over the last minutes as SVG, drawn on the server, so it needs no JavaScript and takes the page's colours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from walkthrough.lab.history import SHOWN, Sample

WIDTH, HEIGHT = 600, 120
#: Room for the scale's words on the left and the time's below.
LEFT, BELOW, ABOVE = 40, 18, 8


@dataclass(frozen=True)
class Chart:
    """`line`: the polyline's points; `area` closes it at the bottom. `top`: the scale's upper end. `now` and `highest` in words."""

    title: str
    line: str
    area: str
    top: str
    now: str
    highest: str

    @property
    def label(self) -> str:
        """The chart in words, for screen readers."""
        return f"{self.title}, the last {SHOWN / 60:.0f} minutes: now {self.now}, at most {self.highest}."


def chart(title: str, samples: Sequence[Sample], value: Callable[[Sample], float | None], words: Callable[[float], str]) -> Chart:
    """Draw one, without the samples that have no value."""
    known = [(sample.at, found) for sample in samples if (found := value(sample)) is not None]
    if not known:
        return Chart(title, "", "", "", "not known", "not known")
    last, highest = known[-1][0], max(number for _, number in known)
    top = _round_up(highest)
    points = [(_x(at - last), _y(number / top)) for at, number in known]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ground = HEIGHT - BELOW
    area = f"{points[0][0]:.1f},{ground} {line} {points[-1][0]:.1f},{ground}"
    return Chart(title, line, area, words(top), words(known[-1][1]), words(highest))


def _x(ago: float) -> float:
    return WIDTH + ago / SHOWN * (WIDTH - LEFT)


def _y(share: float) -> float:
    return ABOVE + (1 - share) * (HEIGHT - BELOW - ABOVE)


def _round_up(number: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten, at least 10, so that small values stay low on the chart."""
    top = 10.0
    while top < number:
        for step in (2.0, 2.5, 2.0):
            top *= step
            if top >= number:
                break
    return top
