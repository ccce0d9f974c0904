"""The wide arrangement, from left to right, and its small form for chapters."""

from walkthrough.flow.geometry import Box, Geometry, Road, Words

SPINE, PAD = 8, 16
#: The picture is narrow below this width.
NARROW = 1100


def wide(width: float) -> Geometry:
    """The full picture."""
    narrow = width < NARROW
    program, queue = (104, 152) if narrow else (112, 176)
    side = 272 - (48 if narrow else 0)
    frame = side + 2 * PAD
    gap = (width - 2 * frame - 2 * program - queue) / 4
    relay = frame + gap
    middle = relay + program + gap
    worker = middle + queue + gap
    right = width - frame + PAD
    boxes = {
        "rows": Box(PAD, 272, side, 88),
        "ledger": Box(PAD, 168, side, 88),
        "outbox": Box(PAD, 64, side, 88),
        "relay": Box(relay, 80, program, 56),
        "queue": Box(middle, 64, queue, 88),
        "worker": Box(worker, 80, program, 56),
        "inbox": Box(right, 64, side, 88),
        "copy": Box(right, 168, side, 192),
        "api": Box(relay, 184, program, 56),
        "tend": Box(worker, 184, program, 56),
        "comparison": Box(middle, 288, queue, 56),
    }
    centre = boxes["queue"].middle
    lanes = [
        Words("Events: fast, may get lost", centre, 52, "middle", "lane", ("queue",)),
        Words("Feed: fills every gap", centre, 192, "middle", "lane", ("tend",)),
        Words("Comparison: proves it", centre, 276, "middle", "lane", ("comparison",)),
        Words("owns the facts", frame - PAD, 36, "end", "cap"),
        Words("keeps a copy" if narrow else "keeps a copy, decides by it", width - PAD, 36, "end", "cap"),
    ]
    return _geometry("wide", width, 376, boxes, frame, lanes, (centre, 246, middle + queue + 2 * gap - middle))


def brief(width: float) -> Geometry:
    """A chapter's picture: one line for each part, in the same places."""
    side, program, queue = (152, 84, 112) if width > 800 else (120, 74, 104)  # a name fits beside a number of six digits
    frame = side + 24
    gap = (width - 2 * frame - 2 * program - queue) / 4
    relay = frame + gap
    middle = relay + program + gap
    worker = middle + queue + gap
    right = width - frame + 12
    boxes = {
        "rows": Box(12, 132, side, 36),
        "ledger": Box(12, 84, side, 36),
        "outbox": Box(12, 36, side, 36),
        "relay": Box(relay, 36, program, 36),
        "queue": Box(middle, 36, queue, 36),
        "worker": Box(worker, 36, program, 36),
        "inbox": Box(right, 36, side, 36),
        "copy": Box(right, 84, side, 84),
        "invoices": Box(right, 84, side, 36),
        "api": Box(relay, 84, program, 36),
        "tend": Box(worker, 84, program, 36),
        "comparison": Box(middle, 132, queue, 36),
    }
    return _geometry("brief", width, 180, boxes, frame, [], None)


def _geometry(
    style: str,
    width: float,
    height: float,
    boxes: dict[str, Box],
    frame: float,
    words: list[Words],
    feed: tuple[float, float, float] | None,
) -> Geometry:
    inset = boxes["rows"].x
    left, right = SPINE if style == "wide" else 6.0, width - (SPINE if style == "wide" else 6.0)
    rows, outbox, inbox, copy = (boxes[key] for key in ("rows", "outbox", "inbox", "copy"))
    start = f"M{rows.x:g} {rows.centre:g}H{left:g}V{outbox.centre:g}"
    ending = rows.centre  # what faces each other matches: the copy's tiles are on the rows' line
    whole = f"{start}H{right:g}V{ending:g}H{copy.right:g}"
    queue, worker = boxes["queue"], boxes["worker"]
    api = boxes["api"]
    travel = {
        "applied": whole,
        "obsolete": whole,
        "duplicate": f"{start}H{inbox.x + 24:g}",
        "parked": f"{start}H{worker.x - 10:g}",
        "lost": f"{start}H{queue.middle if style == 'wide' else queue.x - 12:g}",
        "feed": f"M{api.right:g} {api.centre + 8:g}H{copy.x:g}",
    }
    return Geometry(
        name=f"{style}-{width:g}",
        style=style,
        width=width,
        height=height,
        boxes=boxes,
        frames={"users": Box(0.5, 0.5, frame - 1, height - 1), "billing": Box(width - frame + 0.5, 0.5, frame - 1, height - 1)},
        roads=_roads(boxes, left, right),
        words=words,
        travel=travel,
        padding=inset if style == "wide" else 8,
        feed_words=feed,
        names={"users": (inset, 36 if style == "wide" else 25), "billing": (boxes["inbox"].x, 36 if style == "wide" else 25)},
    )


def _roads(boxes: dict[str, Box], left: float, right: float) -> list[Road]:
    rows, ledger, outbox, inbox, copy = (boxes[key] for key in ("rows", "ledger", "outbox", "inbox", "copy"))
    api, tend = boxes["api"], boxes["tend"]
    up, down = api.centre - 8, api.centre + 8
    roads = [
        Road(("rows", "outbox"), f"M{rows.x:g} {rows.centre:g}H{left:g}V{outbox.centre:g}H{outbox.x:g}", tip=False),
        Road(("rows", "ledger"), f"M{left:g} {ledger.centre:g}H{ledger.x:g}", tip=False),
        Road(("inbox", "copy"), f"M{inbox.right:g} {inbox.centre:g}H{right:g}V{rows.centre:g}H{copy.right + 2:g}"),
        *(_straight(boxes, *pair) for pair in (("outbox", "relay"), ("relay", "queue"), ("queue", "worker"), ("worker", "inbox"))),
        _straight(boxes, "ledger", "api"),
        Road(("tend", "api"), f"M{tend.x:g} {up:g}H{api.right + 6:g}", asks=True),
        Road(("api", "tend"), f"M{api.right:g} {down:g}H{tend.x - 4:g}"),
        Road(("tend", "copy"), f"M{tend.right:g} {tend.centre:g}H{copy.x - 4:g}"),
    ]
    roads += _without_tend(boxes, up, down)
    middle = boxes["comparison"]
    roads.append(Road(("comparison", "rows"), f"M{middle.x:g} {middle.centre:g}H{rows.right + 4:g}"))
    roads.append(Road(("comparison", "copy"), f"M{middle.right:g} {middle.centre:g}H{copy.x - 4:g}"))
    return roads


def _without_tend(boxes: dict[str, Box], up: float, down: float) -> list[Road]:
    """The roads of the chapters that have no ledger or no sync process yet."""
    rows, api, copy = boxes["rows"], boxes["api"], boxes["copy"]
    return [
        Road(("rows", "api"), f"M{rows.right:g} {rows.centre - 9:g}H{api.middle:g}V{api.bottom + 4:g}", unless="ledger"),
        Road(("api", "copy"), f"M{api.right:g} {down:g}H{copy.x - 4:g}", unless="tend"),
        Road(("invoices", "api"), f"M{copy.x:g} {up:g}H{api.right + 6:g}", asks=True),
        Road(("api", "invoices"), f"M{api.right:g} {down:g}H{copy.x - 4:g}"),
    ]


def _straight(boxes: dict[str, Box], start: str, end: str) -> Road:
    return Road((start, end), f"M{boxes[start].right:g} {boxes[start].centre:g}H{boxes[end].x - 4:g}")
