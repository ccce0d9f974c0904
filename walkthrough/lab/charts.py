"""A line over the last minutes as SVG, with axes and marks. It is drawn on the server, so it needs no JavaScript and takes the
page's colours.

It is drawn for several widths and never scaled down, so its text keeps its size. The style sheet shows the one that fits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from walkthrough.flow.text import TEXT, width
from walkthrough.lab.history import SHOWN, Mark, Sample

WIDTHS, HEIGHT = (560, 348, 248), 120
#: Room for the scale on the left and the times below; above the line, each row of marks needs a line of text.
LEFT, BELOW, ABOVE, LINE = 52, 20, 10, 16
#: Rows of marks with words. A mark without room has a line only; its words are in the label.
MOST_ROWS = 3


@dataclass(frozen=True)
class Text:
    """Words in a chart; `y`: their base line."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Drawing:
    """A chart for one width. `line`: the polyline's points; `area` closes it at the bottom. `grid`, `scale`: the scale's lines and
    words; `times`: the times below. `marks`, `words`: the marks' lines and words."""

    width: int
    height: float
    left: float
    ground: float
    line: str
    area: str
    grid: list[float]
    scale: list[Text]
    times: list[Text]
    marks: list[float]
    words: list[Text]


@dataclass(frozen=True)
class Chart:
    """`now`, `top` (the scale's upper end) and `highest` in words. Without samples there are no drawings."""

    title: str
    now: str
    top: str
    highest: str
    marks: list[str]
    drawings: list[Drawing]

    @property
    def label(self) -> str:
        """The chart in words, for screen readers."""
        said = f"{self.title}, the last {SHOWN / 60:.0f} minutes: now {self.now}, at most {self.highest}."
        return f"{said} Marks: {', '.join(self.marks)}." if self.marks else said


def chart(
    title: str,
    samples: Sequence[Sample],
    value: Callable[[Sample], float | None],
    words: Callable[[float], str],
    short: Callable[[float], str],
    marks: Sequence[Mark] = (),
) -> Chart:
    """Draw one, without the samples that have no value. `short`: a value on the scale."""
    known = [(sample, found) for sample in samples if (found := value(sample)) is not None]
    if not known:
        return Chart(title, "not known", "", "not known", [], [])
    last, highest = samples[-1], max(number for _, number in known)
    top = _round_up(highest)
    shown = [mark for mark in marks if 0 <= last.at - mark.at <= SHOWN]
    points = [(sample.at - last.at, number / top) for sample, number in known]
    scale = [(1.0, short(top)), (0.5, short(top / 2)), (0.0, short(0.0))]
    drawings = [_draw(size, points, scale, [(mark.at - last.at, mark.words) for mark in shown], last.clock) for size in WIDTHS]
    return Chart(title, words(known[-1][1]), words(top), words(highest), [mark.words for mark in shown], drawings)


def _draw(
    size: int, points: list[tuple[float, float]], scale: list[tuple[float, str]], marks: list[tuple[float, str]], now: datetime
) -> Drawing:
    placed, rows = _placed([(_x(ago, size), words) for ago, words in marks], size)
    above = ABOVE + rows * LINE
    ground = above + HEIGHT - ABOVE - BELOW

    def y(share: float) -> float:
        return ground - share * (ground - above)

    line = [(_x(ago, size), y(share)) for ago, share in points]
    text = " ".join(f"{x:.1f},{at:.1f}" for x, at in line)
    return Drawing(
        width=size,
        height=ground + BELOW,
        left=LEFT,
        ground=ground,
        line=text,
        area=f"{line[0][0]:.1f},{ground:.1f} {text} {line[-1][0]:.1f},{ground:.1f}",
        grid=[y(share) for share, _ in scale],
        scale=[Text(LEFT - 6, y(share) + 4, words) for share, words in scale],
        times=_times(size, ground, now),
        marks=[_x(ago, size) for ago, _ in marks],
        words=placed,
    )


def _placed(marks: list[tuple[float, str]], size: int) -> tuple[list[Text], int]:
    """Give each mark's words a row in which they meet no others; to the left of the line where the right is too narrow."""
    ends: list[float] = []
    placed = []
    for x, words in marks:
        long = width(words, TEXT)
        left = x + 4 if x + 4 + long <= size else x - 4 - long
        row = next((number for number, end in enumerate(ends) if end + 8 <= left), len(ends))
        if left < 0 or row >= MOST_ROWS:
            continue
        ends[row : row + 1] = [left + long]
        placed.append(Text(left, TEXT + row * LINE, words))
    return placed, len(ends)


def _times(size: int, ground: float, now: datetime) -> list[Text]:
    """The time of day at each full minute; at every second one in a narrow chart."""
    step = 1 if size > 300 else 2
    minute = now.replace(second=0, microsecond=0)
    found = []
    for back in range(0, int(SHOWN / 60) + 1):
        at = minute - timedelta(minutes=back)
        x = _x((at - now).total_seconds(), size)
        if at.minute % step == 0 and LEFT + 20 <= x <= size - 20:
            found.append(Text(x, ground + TEXT + 3, f"{at:%H:%M}"))
    return found[::-1]


def _x(ago: float, size: int) -> float:
    return round(size + ago / SHOWN * (size - LEFT), 1)


def _round_up(number: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten, at least 10, so that small values stay low on the chart."""
    top = 10.0
    while top < number:
        for step in (2.0, 2.5, 2.0):
            top *= step
            if top >= number:
                break
    return top
