"""Lays out the map of contexts: each is a box with a line below it, and each arrow has a row of its own, so that nothing overlaps.

The unit is a CSS pixel: the picture is never scaled, so text keeps its size. All text is monospaced, so its width is known
here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Sizes of text, and the width of a character as a share of it: no common monospaced font has wider ones.
TEXT, CHARACTER = 13, 0.61
LINE = 18
#: Least and greatest distance between the centres of two boxes, and the gap between their edges.
NARROWEST, WIDEST, GAP = 104, 400, 12
#: Space inside a box, around a row, and between a line of the map and the text beside it.
PADDING, ROW, BESIDE = 10, 14, 10
#: More lines of names than this are replaced by their number.
LINES = 4


@dataclass(frozen=True)
class Arrow:
    """What one context gets from another: `names` of events or of a feed, `instead` if they take too much room."""

    source: str
    target: str
    names: str
    instead: str
    #: The consumer's state in words, and its class: good, open, bad or unknown.
    state: str
    look: str
    feed: bool


@dataclass(frozen=True)
class Box:
    """A context. `lines` are its name, from `text_y` down. `foot`: where the line below it ends."""

    name: str
    elsewhere: bool
    x: float
    width: float
    height: float
    lines: list[tuple[float, str]]
    centre: float
    foot: float


@dataclass(frozen=True)
class Row:
    """An arrow with its place. `lines`: (y, text) from `text_x`; the state is from `state_x` at `state_y`."""

    arrow: Arrow
    path: str
    head: str
    text_x: float
    lines: list[tuple[float, str]]
    state_x: float
    state_y: float
    mark: str


@dataclass(frozen=True)
class Drawing:
    width: float
    height: float
    boxes: list[Box]
    rows: list[Row]

    @property
    def full_width(self) -> float:
        """The width with the edges of the outer boxes."""
        return self.width + 2


MARKS = {"good": "●", "open": "▲", "bad": "✕", "unknown": "○"}


def draw(contexts: Sequence[str], arrows: Iterable[Arrow], width: int, elsewhere: Iterable[str] = ()) -> Drawing:
    """Lay the map out for a width. It becomes wider where the boxes need it, so its frame must scroll."""
    away = set(elsewhere)
    column = min(max((width + GAP) / max(len(contexts), 1), NARROWEST), WIDEST)
    box = column - GAP
    whole = max(column * len(contexts) - GAP, min(width, WIDEST))
    centres = {name: column * place + box / 2 for place, name in enumerate(contexts)}
    room = _characters(box - 2 * PADDING)
    texts = {name: [*wrapped(name, room), *(wrapped("elsewhere", room) if name in away else [])] for name in contexts}
    top = max(map(len, texts.values()), default=1) * LINE + 2 * PADDING
    rows, y = [], float(top)
    for arrow in arrows:
        row, y = _row(arrow, centres[arrow.source], centres[arrow.target], y + ROW, whole)
        rows.append(row)
    foot = y + ROW
    boxes = [
        Box(name, name in away, centres[name] - box / 2, box, top, _down(lines, PADDING), centres[name], foot)
        for name, lines in texts.items()
    ]
    return Drawing(whole, foot, boxes, rows)


def _row(arrow: Arrow, start: float, end: float, y: float, whole: float) -> tuple[Row, float]:
    """Place one arrow below `y`: its names, the arrow, its state. Returns it and where it ends."""
    span = abs(end - start)
    room = _characters(max(span, min(WIDEST, whole)) - 2 * BESIDE)
    lines = wrapped(arrow.names, room)
    if len(lines) > LINES:
        lines = wrapped(arrow.instead, room)
    state = f"{MARKS[arrow.look]} {arrow.state}"
    left, right = min(start, end) + BESIDE, max(start, end) - BESIDE
    text_x = _kept(left, max(map(len, lines)), whole)
    line_y = y + len(lines) * LINE + BESIDE
    state_x = _kept(right - length(state) if end > start else left, len(state), whole)
    path, head = _path(start, end, line_y)
    return Row(arrow, path, head, text_x, _down(lines, y), state_x, line_y + LINE + 2, state), line_y + LINE + 4


def _path(start: float, end: float, y: float) -> tuple[str, str]:
    """Return the arrow's line and its head. A context that consumes its own events has a loop."""
    if start == end:
        return f"M{start:g} {y - 8:g}h28v8H{start + 2:g}", f"M{start + 10:g} {y - 5:g}L{start + 1:g} {y:g}l9 5"
    back = -1 if end > start else 1
    return f"M{start:g} {y:g}H{end + back * 2:g}", f"M{end + back * 10:g} {y - 5:g}L{end + back:g} {y:g}l{back * 9} 5"


def _kept(x: float, characters: int, whole: float) -> float:
    """Move a text into the picture."""
    return max(2.0, min(x, whole - characters * TEXT * CHARACTER - 2))


def _down(lines: Sequence[str], y: float) -> list[tuple[float, str]]:
    """Give each line its baseline, from `y` down."""
    return [(y + place * LINE + TEXT, line) for place, line in enumerate(lines)]


def _characters(width: float) -> int:
    return max(int(width / (TEXT * CHARACTER)), 1)


def length(text: str) -> float:
    """Return the width of a text."""
    return len(text) * TEXT * CHARACTER


def wrapped(text: str, limit: int) -> list[str]:
    """Break a text into lines of at most `limit` characters, at spaces, dots and underscores, and within a word that is longer."""
    lines, line = [], ""
    for piece in re.findall(r"[^\s._]*[\s._]+|[^\s._]+", text):
        rest = piece
        while len((line + rest).rstrip()) > limit:
            if not line:
                line, rest = rest[:limit], rest[limit:]
            lines.append(line.rstrip())
            line = ""
        line += rest
    return [*lines, line.rstrip()] if line.strip() or not lines else lines
