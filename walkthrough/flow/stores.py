"""Draws what stands in a part: its name, its number, its marks and its captions, in each of the arrangements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from walkthrough.flow import marks
from walkthrough.flow.geometry import Box, Geometry
from walkthrough.flow.markup import element
from walkthrough.flow.parts import PARTS
from walkthrough.flow.state import State
from walkthrough.flow.text import TEXT, fitting, width
from walkthrough.flow.words import Label

NAME, SMALL, FIGURE = 15, 14, 18


@dataclass(frozen=True)
class Pen:
    """Draws one part."""

    key: str
    label: Label
    box: Box
    geometry: Geometry
    state: State

    @property
    def inner(self) -> float:
        return self.box.width - 2 * self.geometry.padding

    @property
    def left(self) -> float:
        return self.box.x + self.geometry.padding

    @property
    def right(self) -> float:
        return self.box.right - self.geometry.padding

    def write(
        self, style: str, dy: float, forms: Sequence[str], *, size: float = TEXT, room: float = 0, at: str = "start"
    ) -> SafeString:
        """A line of text, `dy` below the box's top, in the form that fits."""
        text = fitting(forms, room or self.inner, size, bold=style.startswith(("name", "num")))
        if not text:
            return SafeString("")
        x = {"start": self.left, "end": self.right, "middle": self.box.middle}[at]
        return element('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>', style, x, self.box.y + dy, at, text)

    def caption(self, dy: float, *, room: float = 0) -> SafeString:
        return self.write(f"cap {self.label.look}", dy, self.label.caption, room=room)

    def more(self, dy: float, *, at: str = "start", room: float = 0) -> SafeString:
        return self.write(f"cap {self.label.more_look}", dy, self.label.more, at=at, room=room)

    def marks(self, dy: float) -> SafeString:
        """The marks of a store, `dy` below the box's top."""
        y, state, padding = self.box.y + dy, self.state, self.geometry.padding
        if self.key == "outbox":
            return marks.dots(self.box, y, padding, ["waiting"] * state.outbox.dots)
        if self.key == "inbox":
            return marks.dots(self.box, y, padding, [one.outcome for one in state.inbox])
        if self.key == "ledger":
            return marks.ticks(self.left, self.inner, y, state.changes, copied=False)
        if self.key == "rows":
            return marks.tiles(self.left, self.inner, y, state.tiles, state.copy.ghosts, copied=False)
        if self.key == "queue":
            queue = state.queue
            return marks.cells(self.box, y, padding, queue.waiting or 0, full=queue.full, away=queue.waiting is None)
        return SafeString("")


def contents(pen: Pen) -> SafeString:
    """Everything within the part's edge."""
    program = PARTS[pen.key].kind == "program"
    return (_PROGRAMS if program else _STORES)[pen.geometry.style](pen)


def _name(pen: Pen) -> tuple[str, ...]:
    part = PARTS[pen.key]
    return (part.name, part.short) if part.short else (part.name,)


def _number(pen: Pen, dy: float, room: float, *, at: str = "start") -> SafeString:
    """The part's number, smaller if it is too long."""
    large = width(pen.label.figure, FIGURE, bold=True) <= room
    return pen.write("num" if large else "num small", dy, [pen.label.figure], size=FIGURE if large else SMALL, room=room, at=at)


def _wide(pen: Pen) -> SafeString:
    if pen.key == "comparison":
        sign = pen.write(f"big {pen.label.look}", 37, [pen.label.figure], size=26, at="end")
        return pen.write("name", 24, _name(pen), size=NAME, room=pen.inner - 30) + sign + pen.caption(44, room=pen.inner - 18)
    room = pen.inner - width(_name(pen)[0], NAME, bold=True) - 6
    head = pen.write("name", 26, _name(pen), size=NAME) + _number(pen, 27, room, at="end")
    if pen.key == "copy":
        return head + _wide_copy(pen)
    below = pen.write("cap bad", 105, pen.label.below)  # since when the broker is away
    return head + pen.marks(44) + pen.caption(75) + below


def _wide_copy(pen: Pen) -> SafeString:
    state, y = pen.state, pen.box.y
    ticks = marks.ticks(pen.left, pen.inner, y + 44, state.changes, copied=True)
    tiles = marks.tiles(pen.left, pen.inner, y + 148, state.tiles, state.copy.ghosts, copied=True)
    differs = state.copy.ghosts or any(change.drift for change in state.changes)
    words = ("a ring marks what differs", "a ring differs") if differs else ("the same users, in billing's words", "the same users")
    return ticks + pen.caption(75) + pen.more(96) + tiles + pen.write("cap", 179, words)


def _compact(pen: Pen) -> SafeString:
    name = pen.write("name small", 22, _name(pen)[::-1], size=SMALL)
    if pen.key == "comparison":
        return name + pen.write(f"big {pen.label.look}", 56, [pen.label.figure], size=26) + pen.caption(84)
    figure = _number(pen, 45, pen.inner)
    if pen.key != "copy":
        return name + figure + pen.marks(62) + pen.caption(86)
    state, half = pen.state, (pen.inner - 10) / 2
    left = marks.tiles(pen.left, half, pen.box.y + 62, state.tiles, state.copy.ghosts, copied=True)
    right = marks.ticks(pen.right - half, half, pen.box.y + 62, state.changes, copied=True)
    return name + figure + pen.more(22, at="end", room=pen.inner - 52) + left + right + pen.caption(86)


def _brief(pen: Pen) -> SafeString:
    name = _name(pen)[-1]
    head = pen.write("name brief", 23, [name])
    room = pen.inner - width(name, TEXT, bold=True) - 2
    figure = pen.write(f"fig {pen.label.look}", 23, [pen.label.figure], room=room, at="end")
    return head + figure + (pen.caption(50) + pen.more(70) if pen.key == "copy" else SafeString(""))


def _compact_brief(pen: Pen) -> SafeString:
    head = pen.write("name brief", 19, [_name(pen)[-1]])
    figure = pen.write(f"fig {pen.label.look}", 38, [pen.label.figure])
    if pen.key != "copy":
        return head + figure
    room = pen.inner / 2 + 20
    words = pen.write(f"cap {pen.label.look}", 38, pen.label.caption, room=room, at="end")
    return head + figure + pen.more(19, at="end", room=room) + words


def _wide_program(pen: Pen) -> SafeString:
    x, y, room = pen.box.x, pen.box.y, pen.box.width - 36
    name = element('<text class="name" x="{}" y="{}">{}</text>', x + 30, y + 24, PARTS[pen.key].name)
    word = fitting(pen.label.caption, room, TEXT)
    state = element('<text class="cap {}" x="{}" y="{}">{}</text>', pen.label.look, x + 30, y + 43, word)
    below = pen.write("cap bad", 73, pen.label.below, room=pen.box.width + 24, at="middle")
    return _glyph(pen.label.look, x + 14, y + 19) + name + state + below


def _compact_program(pen: Pen, first: float = 20, second: float = 38) -> SafeString:
    word = fitting(pen.label.caption, pen.box.width - 26, TEXT)
    start = pen.box.middle - (width(word, TEXT) + 13) / 2
    name = pen.write("name small", first, [PARTS[pen.key].name], size=SMALL, at="middle")
    state = element('<text class="cap {}" x="{}" y="{}">{}</text>', pen.label.look, start + 13, pen.box.y + second, word)
    below = pen.write("cap bad halo", pen.box.height + 17, pen.label.below, room=pen.box.width, at="middle") if first == 20 else ""
    return _glyph(pen.label.look, start, pen.box.y + second - 9) + name + state + SafeString(below)


def _compact_brief_program(pen: Pen) -> SafeString:
    return _compact_program(pen, 17, 33)


def _brief_program(pen: Pen) -> SafeString:
    name = PARTS[pen.key].name
    start = pen.box.middle - (width(name, TEXT, bold=True) + 12) / 2
    text = element('<text class="name brief" x="{}" y="{}">{}</text>', start + 12, pen.box.y + 23, name)
    return _glyph(pen.label.look, start, pen.box.y + 14) + text


#: A program's sign: it runs, it waits or works something off, it stopped, it isn't known.
_SIGNS = {"runs": "l9 4.5-9 4.5z", "busy": "h3v9h-3zm5 0h3v9h-3z", "down": "h9v9h-9z", "unknown": "m0 4h8v2h-8z"}


def _glyph(look: str, x: float, y: float) -> SafeString:
    return element('<path class="glyph" d="M{} {}{}"/>', x, y, _SIGNS[look])


Draw = Callable[[Pen], SafeString]
_STORES: dict[str, Draw] = {"wide": _wide, "compact": _compact, "brief": _brief, "compact-brief": _compact_brief}
_PROGRAMS: dict[str, Draw] = {
    "wide": _wide_program,
    "compact": _compact_program,
    "brief": _brief_program,
    "compact-brief": _compact_brief_program,
}
