"""The compact arrangement, from top to bottom, for narrow windows: full, and brief for chapters."""

from walkthrough.flow.geometry import Box, Geometry, Road, Words

SPINE = 8


def compact(width: float, *, brief: bool = False) -> Geometry:
    """Three columns: what the comparison, the feed and the events connect. With `brief`, one or two lines for each part."""
    inset, gap = (12, 8) if width > 300 else (8, 4)
    column = (width - 2 * inset - 2 * gap) / 3
    first, second, third = (inset + number * (column + gap) for number in range(3))
    store, program, between, head = (48, 40, 20, 40) if brief else (96, 48, 28, 52)
    top = head
    api = top + store + SPINE + between
    queue = api + program + between
    tend = queue + store + between
    foot = tend + program + between + SPINE
    height = foot + store + SPINE + (28 if brief else 36)
    boxes = {
        "rows": Box(first, top, column, store),
        "ledger": Box(second, top, column, store),
        "outbox": Box(third, top, column, store),
        "relay": Box(third, api, column, program),
        "queue": Box(third, queue, column, store),
        "worker": Box(third, tend, column, program),
        "inbox": Box(third, foot, column, store),
        "copy": Box(first, foot, 2 * column + gap, store),
        "invoices": Box(first, foot, 2 * column + gap, store),
        "api": Box(second, api, column, program),
        "tend": Box(second, tend, column, program),
        "comparison": Box(first, queue, column, store),
    }
    frames = {
        "users": Box(0.5, 0.5, width - 1, top + store + SPINE),
        "billing": Box(0.5, foot - SPINE - 0.5, width - 1, height - foot + SPINE),
    }
    lower = height - (12 if brief else 14)
    words = [
        Words("owns the facts", width - inset, 30, "end", "cap"),
        Words("keeps a copy", width - inset, lower, "end", "cap"),
        Words("feed", boxes["api"].middle, boxes["queue"].centre - 4, "middle", "lane halo", ("tend",)),
    ]
    return Geometry(
        name=f"{'brief' if brief else 'compact'}-{width:g}",
        style="compact-brief" if brief else "compact",
        width=width,
        height=height,
        boxes=boxes,
        frames=frames,
        roads=_roads(boxes, top, foot + store),
        words=[] if brief else words,
        travel=_travel(boxes, top, foot + store),
        padding=10 if width > 300 else 6,
        feed_words=None if brief else (boxes["api"].middle, boxes["queue"].centre + 14, column),
        names={"users": (inset, 26 if brief else 30), "billing": (inset, lower)},
    )


def _travel(boxes: dict[str, Box], top: float, bottom: float) -> dict[str, str]:
    rows, outbox, inbox, copy, queue = (boxes[key] for key in ("rows", "outbox", "inbox", "copy", "queue"))
    start = f"M{rows.middle:g} {top:g}V{top - SPINE:g}H{outbox.middle:g}"
    whole = f"{start}V{bottom + SPINE:g}H{copy.middle:g}V{bottom:g}"
    return {
        "applied": whole,
        "obsolete": whole,
        "duplicate": f"{start}V{inbox.y - 6:g}",
        "parked": f"{start}V{boxes['worker'].y - 8:g}",
        "lost": f"{start}V{queue.y - 8:g}",
        "feed": f"M{boxes['api'].middle + 8:g} {boxes['api'].bottom:g}V{copy.y:g}",
    }


def _roads(boxes: dict[str, Box], top: float, bottom: float) -> list[Road]:
    rows, ledger, outbox, inbox, copy = (boxes[key] for key in ("rows", "ledger", "outbox", "inbox", "copy"))
    api, tend, comparison = boxes["api"], boxes["tend"], boxes["comparison"]
    left, right = api.middle - 8, api.middle + 8
    above, below = top - SPINE, bottom + SPINE
    return [
        Road(("rows", "outbox"), f"M{rows.middle:g} {rows.y:g}V{above:g}H{outbox.middle:g}V{outbox.y:g}", tip=False),
        Road(("rows", "ledger"), f"M{ledger.middle:g} {above:g}V{ledger.y:g}", tip=False),
        Road(("inbox", "copy"), f"M{inbox.middle:g} {inbox.bottom:g}V{below:g}H{copy.middle:g}V{copy.bottom + 2:g}"),
        *(_straight(boxes, *pair) for pair in (("outbox", "relay"), ("relay", "queue"), ("queue", "worker"), ("worker", "inbox"))),
        _straight(boxes, "ledger", "api"),
        Road(("tend", "api"), f"M{left:g} {tend.y:g}V{api.bottom + 4:g}", asks=True),
        Road(("api", "tend"), f"M{right:g} {api.bottom:g}V{tend.y - 4:g}"),
        Road(("tend", "copy"), f"M{tend.middle:g} {tend.bottom:g}V{copy.y - 4:g}"),
        Road(("rows", "api"), f"M{rows.middle + 16:g} {rows.bottom:g}V{api.centre:g}H{api.x - 4:g}", unless="ledger"),
        Road(("api", "copy"), f"M{right:g} {api.bottom:g}V{copy.y - 4:g}", unless="tend"),
        Road(("invoices", "api"), f"M{left:g} {copy.y:g}V{api.bottom + 4:g}", asks=True),
        Road(("api", "invoices"), f"M{right:g} {api.bottom:g}V{copy.y - 4:g}"),
        Road(("comparison", "rows"), f"M{comparison.middle:g} {comparison.y:g}V{rows.bottom + 4:g}"),
        Road(("comparison", "copy"), f"M{comparison.middle:g} {comparison.bottom:g}V{copy.y - 4:g}"),
    ]


def _straight(boxes: dict[str, Box], start: str, end: str) -> Road:
    return Road((start, end), f"M{boxes[start].middle:g} {boxes[start].bottom:g}V{boxes[end].y - 4:g}")
