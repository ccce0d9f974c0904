"""The small marks in the stores: dots for events, ticks for changes, tiles for rows, cells for messages."""

from collections.abc import Iterable, Sequence

from django.utils.safestring import SafeString

from walkthrough.flow.changes import Change
from walkthrough.flow.geometry import Box
from walkthrough.flow.markup import element, elements

#: Distance from one mark to the next.
DOT, TICK, TILE, CELL = 16, 10, 16, 16
CELLS = 9


def dots(box: Box, y: float, padding: float, outcomes: Sequence[str]) -> SafeString:
    """Events at rest, the newest at the right."""
    room = int((box.width - 2 * padding + 4) // DOT)
    shown = list(outcomes)[-room:]
    right = box.right - padding - 6
    places = ((f"{right - DOT * back:g}", name) for back, name in enumerate(reversed(shown)))
    return elements('<use href="#m-{1}" class="m {1}" x="{0}" y="{2}"/>', ((x, name, f"{y:g}") for x, name in places))


def cells(box: Box, y: float, padding: float, waiting: int, *, full: bool, away: bool) -> SafeString:
    """A cell for each message, filled from the right. In a full queue all are."""
    number = min(CELLS, int((box.width - 2 * padding + 4) // CELL))
    filled = number if full else min(number, waiting)
    look = "cell away" if away else "cell"
    end = box.x + padding + CELL * (number - 1)
    empty = _squares(look, ((end - CELL * back, y - 8) for back in range(filled, number)), 12, 16)
    return empty + _squares("cell full" if full else "cell in", ((end - CELL * back, y - 8) for back in range(filled)), 12, 16)


def ticks(x: float, room: float, y: float, changes: Sequence[Change], *, copied: bool) -> SafeString:
    """A tick for each change: of the ledger, or of the copy."""
    looks = [_tick(change, copied) for change in _newest(changes, room, TICK)]
    return _by_look("tick", looks, x, y - 6, TICK, 6, 12)


def tiles(x: float, room: float, y: float, changes: Sequence[Change], ghosts: Sequence[str], *, copied: bool) -> SafeString:
    """A tile for each row. A ghost of billing faces an empty place, because the authority doesn't know it."""
    number = int((room + 5) // TILE)
    strangers = list(ghosts)[: number // 2]
    known = _newest(changes, (number - len(strangers)) * TILE, TILE)
    looks = [("ghost" if copied else "", "") for _ in strangers]
    looks += [_tile(change, copied) for change in known]
    boxes = _by_look("tile", [look for look, _ in looks], x + 0.5, y - 5.5, TILE, 11, 11)
    crosses = [x + TILE * place for place, (_, status) in enumerate(looks) if status == "erased"]
    strokes = "".join(f"M{at + 3:g} {y - 3:g}l6 6m0-6l-6 6" for at in crosses)
    questions = "".join(f"M{x + TILE * place + 6:g} {y - 3:g}v4m0 2v1" for place, (look, _) in enumerate(looks) if look == "ghost")
    return boxes + _stroke("cross", strokes) + _stroke("cross ghost", questions)


def _tick(change: Change, copied: bool) -> str:
    if copied:
        return {"here": "calm", "pulled": "got"}.get(change.arrived, change.arrived)
    return "silent" if change.silent else "calm"


def _tile(change: Change, copied: bool) -> tuple[str, str]:
    """A tile's look and its row's status."""
    status = change.copied if copied else change.truth
    if not copied or change.drift in ("", "ghost"):
        return status, status
    return ("missing", "") if change.drift == "missing" else (f"off {status}", status)


def _newest(changes: Sequence[Change], room: float, pitch: float) -> Sequence[Change]:
    return changes[-max(1, int((room + pitch / 2) // pitch)) :]


def _by_look(kind: str, looks: Sequence[str], x: float, y: float, pitch: float, width: float, height: float) -> SafeString:
    """One path for all marks of a look, so that a picture stays small."""
    found = SafeString("")
    for look in dict.fromkeys(filter(None, looks)):
        found += _squares(
            f"{kind} {look}", ((x + pitch * place, y) for place, own in enumerate(looks) if own == look), width, height
        )
    return found


def _squares(look: str, places: Iterable[tuple[float, float]], width: float, height: float) -> SafeString:
    path = "".join(f"M{x:g} {y:g}h{width:g}v{height:g}h-{width:g}z" for x, y in places)
    return element('<path class="{}" d="{}"/>', look, path) if path else SafeString("")


def _stroke(look: str, path: str) -> SafeString:
    return element('<path class="{}" d="{}"/>', look, path) if path else SafeString("")
