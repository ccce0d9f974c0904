"""Where each part of the picture lies. A picture is made for a width and never scaled down, so its text keeps its size.

Three arrangements: `wide` reads from left to right; `compact` is the same turned by 90 degrees; `brief` is the small one of a
chapter, one line for each part.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def centre(self) -> float:
        return self.y + self.height / 2


class Road(NamedTuple):
    """A line between two parts, drawn if the picture has both, and not the part `unless`. `tip`: it ends in an arrow. `asks`: it is
    a question."""

    ends: tuple[str, str]
    path: str
    tip: bool = True
    asks: bool = False
    unless: str = ""


class Words(NamedTuple):
    """Words beside the parts. They are drawn if all parts of `needs` are."""

    text: str
    x: float
    y: float
    anchor: str
    style: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Geometry:
    """`name` is its CSS class. `frames`: the two contexts. `travel`: the path of a dot by its outcome; `feed` is a pulled change.
    `padding`: inside a store. `feed_words`: where the feed's state is written, and how wide it may be."""

    name: str
    style: str
    width: float
    height: float
    boxes: dict[str, Box]
    frames: dict[str, Box]
    roads: list[Road]
    words: list[Words]
    travel: dict[str, str]
    padding: float
    feed_words: tuple[float, float, float] | None = None
    names: dict[str, tuple[float, float]] = field(default_factory=dict)
