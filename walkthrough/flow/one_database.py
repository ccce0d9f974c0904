"""The picture of the first two chapters: one database with two tables, joined or with a border between them."""

from walkthrough.flow.geometry import Box, Geometry


def one_database(width: float) -> Geometry:
    """Two tables in one frame. The parts have the names of the monolith's models."""
    side = 152 if width > 800 else 120 if width > 300 else 92
    pad = 16 if width > 300 else 10
    top, height = 44, 48
    people, bills = Box(pad, top, side, height), Box(width - pad - side, top, side, height)
    return Geometry(
        name=f"one-{width:g}",
        style="brief" if width > 500 else "compact-brief",
        width=width,
        height=top + height + 16,
        boxes={"people": people, "bills": bills},
        frames={"one database": Box(0.5, 0.5, width - 1, top + height + 15)},
        roads=[],
        words=[],
        travel={},
        padding=8,
        names={"one database": (pad, 28)},
    )
