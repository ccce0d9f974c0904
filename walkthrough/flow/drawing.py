"""Draws the picture as SVG: frames, roads, the parts as links in the order of the road, and the layer for the moving dots."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from django.utils.safestring import SafeString, mark_safe

from walkthrough.flow import stores
from walkthrough.flow.compact import compact
from walkthrough.flow.frames import frames
from walkthrough.flow.geometry import Box, Geometry, Road, Words
from walkthrough.flow.markup import element, elements
from walkthrough.flow.one_database import one_database
from walkthrough.flow.parts import PARTS, PROGRAM
from walkthrough.flow.shapes import Shape
from walkthrough.flow.state import State
from walkthrough.flow.text import TEXT, fitting
from walkthrough.flow.wide import brief, wide
from walkthrough.flow.words import Label, feed_words, labels

#: The pictures by their width in CSS pixels. The style sheet shows the widest one that fits.
FULL: dict[int, Callable[[], Geometry]] = {
    **{size: partial(wide, size) for size in (1180, 988)},
    **{size: partial(compact, size) for size in (636, 348, 268)},
}
BRIEF: dict[int, Callable[[], Geometry]] = {
    **{size: partial(brief, size) for size in (812, 640)},
    **{size: partial(compact, size, brief=True) for size in (348, 268)},
}
ONE: dict[int, Callable[[], Geometry]] = {size: partial(one_database, size) for size in (812, 640, 348, 268)}


@dataclass(frozen=True)
class Picture:
    """An SVG for a width."""

    width: int
    svg: SafeString


@cache
def geometries(shape: Shape) -> dict[int, Geometry]:
    """The arrangements of a shape, by width."""
    chosen = ONE if shape.one_database else FULL if shape.full else BRIEF
    return {width: make() for width, make in chosen.items()}


def pictures(state: State, shape: Shape, address: Callable[[str], str], opened: str = "", only: int | None = None) -> list[Picture]:
    """The pictures of a shape; `only`: the one of this width. `address`: of the strip that explains a part. `opened`: that part."""
    written = labels(state, shape)
    found = geometries(shape).items()
    return [
        Picture(width, _draw(state, shape, geometry, written, address, opened))
        for width, geometry in found
        if only in (None, width)
    ]


def _draw(
    state: State, shape: Shape, geometry: Geometry, written: dict[str, Label], address: Callable[[str], str], opened: str
) -> SafeString:
    parts = {key: geometry.boxes[key] for key in shape.parts}
    links = elements(
        '<a class="part {}{}" href="{}" data-part="{}" aria-label="{}"{}>{}{}</a>',
        (
            (
                *(PARTS[key].kind, " new" if key in shape.new else "", address(key), key, written[key].said(PARTS[key].name)),
                mark_safe(' aria-current="true"') if key == opened else "",
                _edge(key, box, written[key]),
                stores.contents(stores.Pen(key, written[key], box, geometry, state)),
            )
            for key, box in parts.items()
        ),
    )
    return element(
        '<svg class="flow-svg {}" viewBox="0 0 {} {}" role="group" aria-label="{}" data-travel="{}">'
        '<defs><clipPath id="clip-{}"><path clip-rule="evenodd" d="{}"/></clipPath></defs>'
        '<g class="ground">{}{}</g>{}<g class="dots" clip-path="url(#clip-{})" aria-hidden="true"></g></svg>',
        geometry.style,
        geometry.width,
        geometry.height,
        shape.says or "The flow from users to billing, as it is now",
        json.dumps(geometry.travel),
        geometry.name,
        _open_space(geometry, parts),
        frames(state, shape, geometry),
        _roads(state, geometry, shape, written),
        links,
        geometry.name,
    )


def _edge(key: str, box: Box, label: Label) -> SafeString:
    program = PARTS[key].kind == PROGRAM
    return element(
        '<rect class="edge {}" x="{}" y="{}" width="{}" height="{}" rx="{}"/>',
        label.look,
        *box,
        box.height / 2 if program else 6,
    )


def _open_space(geometry: Geometry, parts: dict[str, Box]) -> str:
    """Where dots are seen: not over the text of a program. In small pictures all parts have text on the road."""
    covered = [box for key, box in parts.items() if geometry.style != "wide" or PARTS[key].kind == PROGRAM]
    holes = "".join(f"M{box.x:g} {box.y:g}h{box.width:g}v{box.height:g}h-{box.width:g}z" for box in covered)
    return f"M-8 -8H{geometry.width + 8:g}V{geometry.height + 8:g}H-8z{holes}"


def _roads(state: State, geometry: Geometry, shape: Shape, written: dict[str, Label]) -> SafeString:
    shown = [road for road in geometry.roads if set(road.ends) <= set(shape.parts) and road.unless not in shape.parts]
    lines = elements(
        '<path class="road{}{}" d="{}"{}/>',
        (
            (
                " asks" if road.asks else "",
                f" {look}" if (look := _look(road, written)) else "",
                road.path,
                element(' marker-end="url(#tip{})"', f"-{look}" if look in ("act", "open") else "") if road.tip else "",
            )
            for road in shown
        ),
    )
    return lines + _words(state, geometry, shape)


def _look(road: Road, written: dict[str, Label]) -> str:
    """`off` behind a stopped program and beside a lost broker, `act` where changes are pulled, `open` where rows differ."""
    looks = {key: written[key].look for key in road.ends}
    words = {written[key].caption[0] for key in road.ends}
    start, end = road.ends
    if looks[start] == "down" or (end == "api" and looks[end] == "down") or (road.asks and looks[end] == "down"):
        return "off"
    if (start == "api" and end == "tend" and looks[end] == "down") or ("queue" in road.ends and written["queue"].figure == "away"):
        return "off"
    if "comparison" in road.ends:
        return "open" if looks["comparison"] == "open" else ""
    return "act" if "pulls" in words else ""


def _words(state: State, geometry: Geometry, shape: Shape) -> SafeString:
    found = [words for words in geometry.words if set(words.needs) <= set(shape.parts)]
    if geometry.feed_words and "tend" in shape.parts:
        x, y, room = geometry.feed_words
        forms, look = feed_words(state)
        found.append(Words(fitting(forms, room, TEXT), x, y, "middle", f"cap halo {look}"))
    return elements(
        '<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>',
        ((w.style, f"{w.x:g}", f"{w.y:g}", w.anchor, w.text) for w in found),
    )
