"""Draws the contexts' frames with their names, and what only one chapter shows on them."""

from django.utils.safestring import SafeString

from walkthrough.flow.geometry import Box, Geometry
from walkthrough.flow.markup import element, elements
from walkthrough.flow.shapes import Shape
from walkthrough.flow.state import State
from walkthrough.flow.text import TEXT, fitting, width

#: The size of a frame's name in a chapter.
TITLE = 15


def frames(state: State, shape: Shape, geometry: Geometry) -> SafeString:
    """The frames of the contexts, or of the one database."""
    boxes = elements(
        '<rect class="frame{}" x="{}" y="{}" width="{}" height="{}" rx="8"/>',
        ((" apart" if shape.apart else "", *box) for box in geometry.frames.values()),
    )
    style = "ttl" if shape.full else "ttl brief"
    names = elements('<text class="{}" x="{}" y="{}">{}</text>', ((style, *geometry.names[key], key) for key in geometry.frames))
    if shape.one_database:
        return boxes + names + _between(shape, geometry)
    return boxes + names + (_pids(state, geometry) if shape.apart else SafeString(""))


def _pids(state: State, geometry: Geometry) -> SafeString:
    """The process of each context: the same one until billing moves out."""
    pids = state.programs.pids
    known = {name: pids.get(own) or pids.get("web") for name, own in (("users", "users-api"), ("billing", "billing-web"))}
    found = {name: pid for name, pid in known.items() if pid}
    rows = []
    for name, pid in found.items():
        frame, (x, y) = geometry.frames[name], geometry.names[name]
        room = frame.right - 8 - x - width(name, TITLE, bold=True) - 8
        rows.append((frame.right - 8, y, fitting((f"PID {pid}", f"{pid}"), room, TEXT)))
    return elements('<text class="cap" x="{}" y="{}" text-anchor="end">{}</text>', rows)


def _between(shape: Shape, geometry: Geometry) -> SafeString:
    """The JOIN between the two tables, or the border in the code that replaces it."""
    left, right = geometry.boxes["people"], geometry.boxes["bills"]
    middle = geometry.width / 2
    if shape.line:
        return _border(left, right, middle)
    return element(
        '<path class="road" d="M{} {}H{}"/><text class="name brief halo" x="{}" y="{}" text-anchor="middle">JOIN</text>',
        *(left.right, left.centre, right.x, middle, left.centre + 5),
    )


def _border(left: Box, right: Box, middle: float) -> SafeString:
    line = element('<path class="border" d="M{} {}V{}"/>', middle, left.y - 24, left.bottom + 8)
    if right.x - left.right < 220:
        return line
    return line + elements(
        '<text class="cap" x="{}" y="{}" text-anchor="{}">{}</text>',
        ((middle - 14, left.centre + 5, "end", "selectors"), (middle + 14, left.centre + 5, "start", "services")),
    )
