"""The drawing: every part is a labelled link in the order of the road, and no text leaves its part whatever the tables say."""

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from django.utils import timezone

from walkthrough.flow import drawing, words
from walkthrough.flow.changes import Change, Ledger
from walkthrough.flow.copy import Comparison, Copy
from walkthrough.flow.geometry import Box, Geometry
from walkthrough.flow.outbox import Outbox
from walkthrough.flow.outcomes import Arrived, Counts, Last
from walkthrough.flow.parts import PARTS
from walkthrough.flow.programs import Program, Programs, Queue
from walkthrough.flow.shapes import SHAPES, WHOLE
from walkthrough.flow.state import State
from walkthrough.flow.text import width

SVG = "{http://www.w3.org/2000/svg}"
#: Sizes of text by the drawing's classes, as in flow.css. The first that fits counts.
SIZES = (
    ("big", 26),
    ("num small", 14),
    ("num", 18),
    ("name small", 14),
    ("name brief", 13),
    ("ttl brief", 15),
    ("ttl", 18),
    ("name", 15),
)
#: Today, because the time of another day is shown with its date.
AT = timezone.localtime().replace(hour=14, minute=3, second=12, microsecond=0)
RUNS, DOWN, UNKNOWN = Program("runs", "runs", pid=8), Program("down", "stopped", AT), Program("unknown", "unknown")


def changes(**values: Any) -> list[Change]:
    known: dict[str, Any] = {"silent": False, "arrived": "here", "truth": "active", "copied": "active", "drift": ""} | values
    return [Change(key=f"{number}", position=number, **known) for number in range(24)]


CALM = State(
    at=AT,
    rows=1000,
    copied=1000,
    outbox=Outbox(1, 0),
    ledger=Ledger(1204, 0),
    changes=changes(),
    programs=Programs(RUNS, RUNS, RUNS, Program("runs", "answers"), {"web": 123456}),
    queue=Queue(2),
    copy=Copy(1204, 0, 2.0, "live", "", None, 0, 0.0, []),
    comparison=Comparison(dict.fromkeys(("missing", "stale"), 0), 120.0),
    inbox=[Arrived(f"{number}", outcome) for number, outcome in enumerate(("applied", "obsolete", "parked"))],
    counts=Counts(1198, 2, 1, 0, 0),
    lost=[],
    last=Last("User suspended", "Ada", 4, "applied", 0.4),
    versions=["v1", "v2"],
)
LARGE = replace(
    CALM,
    rows=123_456,
    copied=987_654,
    outbox=Outbox(1001, 1001),
    ledger=Ledger(123_456_789, 1001),
    changes=changes(silent=True, arrived="hole", copied="suspended", drift="stale"),
    programs=Programs(DOWN, DOWN, DOWN, Program("down", "no answer", AT), {"web": 4_194_304}),
    queue=Queue(None, since=AT),
    copy=replace(CALM.copy, checkpoint=123_456_789, holes=999_999, age=86_400.0 * 400, ghosts=["active"] * 6),
    comparison=Comparison({"missing": 999_999}, 86_400.0 * 400),
    counts=Counts(999_999_999, 999_999, 999_999, 1001, 100),
)
STATES = {
    "calm": CALM,
    "large": LARGE,
    "full": replace(
        CALM,
        queue=Queue(999_999, full=True),
        outbox=Outbox(1001, 0),
        programs=replace(CALM.programs, relay=Program("busy", "waits")),
    ),
    "held": replace(CALM, queue=Queue(999_999), programs=replace(CALM.programs, worker=DOWN)),
    "doubtful": replace(CALM, copy=replace(CALM.copy, state="doubtful", doubt="users was set back.", doubtful_since=AT)),
    "new": replace(CALM, copy=replace(CALM.copy, state="new", age=None), comparison=Comparison(None, 0.0)),
    "paused": replace(CALM, copy=replace(CALM.copy, state="paused")),
    "unreachable": replace(
        CALM, copy=replace(CALM.copy, state="unreachable"), programs=replace(CALM.programs, tend=Program("busy", "no answer"))
    ),
    "pulling": replace(
        CALM, copy=replace(CALM.copy, holes=999_999), programs=replace(CALM.programs, tend=Program("busy", "pulls"))
    ),
    "erased": replace(CALM, changes=changes(truth="erased", copied="erased")),
    "unsupervised": replace(CALM, programs=Programs(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, {})),
}


@pytest.fixture(autouse=True)
def _counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "number_of", lambda name: 123_456)


def drawn(state: State, name: str) -> list[tuple[Geometry, ElementTree.Element]]:
    shape = SHAPES[name]
    pictures = drawing.pictures(state, shape, lambda key: f"?part={key}")
    return [
        (drawing.geometries(shape)[one.width], ElementTree.fromstring(one.svg.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1)))
        for one in pictures
    ]


def extent(text: ElementTree.Element) -> tuple[float, float]:
    """Where a text begins and ends."""
    style, x = f"{text.get('class')}", float(text.get("x", 0))
    size = next((size for name, size in SIZES if style.startswith(name)), 13)
    long = width("".join(text.itertext()), size, bold=style.startswith(("name", "num", "ttl", "big", "lane")))
    left = {"start": x, "middle": x - long / 2, "end": x - long}[text.get("text-anchor", "start")]
    return left, left + long


def part_of(link: ElementTree.Element) -> Box:
    edge = link.find(f"{SVG}rect")
    assert edge is not None
    return Box(*(float(edge.get(name, 0)) for name in ("x", "y", "width", "height")))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_no_text_leaves_its_part_or_meets_another(state: State, name: str) -> None:
    for geometry, svg in drawn(state, name):
        for link in svg.iter(f"{SVG}a"):
            box, lines = part_of(link), []
            for text in link.iter(f"{SVG}text"):
                left, right = extent(text)
                y, said = float(text.get("y", 0)), f"{geometry.name} {link.get('data-part')}: {''.join(text.itertext())}"
                if y <= box.bottom:
                    assert left >= box.x + 4, said
                    assert right <= box.right - 4, said
                assert left >= 0, said
                assert right <= geometry.width, said
                lines.append((y, left, right, said))
            for number, (y, left, right, said) in enumerate(lines):
                for other_y, other_left, other_right, other in lines[number + 1 :]:
                    assert abs(y - other_y) >= 12 or right <= other_left or other_right <= left, f"{said} meets {other}"


@pytest.mark.parametrize("name", SHAPES)
def test_names_of_the_frames_and_lanes_meet_nothing(name: str) -> None:
    for geometry, svg in drawn(LARGE, name):
        ground = svg.find(f"{SVG}g[@class='ground']")
        assert ground is not None
        placed = [(float(text.get("y", 0)), *extent(text), "".join(text.itertext())) for text in ground.iter(f"{SVG}text")]
        for number, (y, left, right, said) in enumerate(placed):
            assert left >= 0, f"{geometry.name}: {said}"
            assert right <= geometry.width, f"{geometry.name}: {said}"
            for other_y, other_left, other_right, other in placed[number + 1 :]:
                assert abs(y - other_y) >= 14 or right <= other_left or other_right <= left, (
                    f"{geometry.name}: {said} meets {other}"
                )


@pytest.mark.parametrize("name", SHAPES)
def test_parts_lie_apart_and_within_the_picture(name: str) -> None:
    for geometry in drawing.geometries(SHAPES[name]).values():
        boxes = {key: geometry.boxes[key] for key in SHAPES[name].parts}
        for key, box in boxes.items():
            assert box.x > 0, key
            assert box.right < geometry.width, key
            assert box.bottom < geometry.height, key
            for other, there in boxes.items():
                apart = box.right <= there.x or there.right <= box.x or box.bottom <= there.y or there.bottom <= box.y
                assert other == key or apart, f"{geometry.name}: {key} and {other}"


@pytest.mark.parametrize("name", SHAPES)
def test_each_part_is_a_link_with_its_state_in_words_in_the_order_of_the_road(name: str) -> None:
    for _, svg in drawn(CALM, name):
        links = list(svg.iter(f"{SVG}a"))
        assert [link.get("data-part") for link in links] == list(SHAPES[name].parts)
        for link in links:
            part = PARTS[f"{link.get('data-part')}"]
            assert f"{link.get('aria-label')}".startswith(f"{part.name}: ")
            assert link.get("href") == f"?part={part.key}"
            texts = [text.text for text in link.iter(f"{SVG}text")]
            assert part.name in texts or part.short in texts


def test_the_order_of_the_road() -> None:
    assert WHOLE == ("rows", "ledger", "outbox", "relay", "queue", "worker", "inbox", "copy", "api", "tend", "comparison")


def label(state: State, key: str) -> words.Label:
    return words.labels(state, SHAPES["home"])[key]


def test_the_words_of_the_states() -> None:
    assert label(LARGE, "outbox").caption[0] == "1,000+ can't be sent"
    assert label(LARGE, "relay").said("relay") == "relay: stopped, since 14:03:12"
    assert label(LARGE, "queue").said("queue") == "queue: away, the broker is away, since 14:03:12"
    assert label(LARGE, "copy").more[0] == "999,999 of the next are missing"
    assert label(LARGE, "ledger").figure == "123.46 M"
    assert label(STATES["full"], "queue").caption == ("the broker is full", "full")
    assert label(STATES["held"], "queue").caption[0] == "nobody takes them"
    assert label(STATES["doubtful"], "copy").said("copy") == "copy: 1,000, doubtful since 14:03:12, no decision counts as fresh"
    assert label(STATES["unreachable"], "copy").more[0] == "users doesn't answer"
    assert label(STATES["new"], "comparison").caption[0] == "not compared yet"
    assert label(CALM, "comparison").said("fingerprints") == "fingerprints: =, equal, 2\u00a0min ago"
    one = replace(CALM, comparison=Comparison({"stale": 1}, 5.0))
    assert label(one, "comparison").caption[0] == "1 differs, 5\u00a0s ago"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.04, "40 ms"), (1.25, "1.2 s"), (9, "9 s"), (12.4, "12 s"), (61, "1 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_a_span(seconds: float, said: str) -> None:
    assert words.span(seconds).replace("\u00a0", " ") == said


def looks(svg: ElementTree.Element, part: str, kind: str) -> dict[str, int]:
    """How many marks of each look a part has."""
    found = {}
    for path in svg.iterfind(f".//{SVG}a[@data-part='{part}']/{SVG}path"):
        style = f"{path.get('class')}"
        if style.startswith(f"{kind} "):
            found[style.removeprefix(f"{kind} ")] = len(re.findall("M", f"{path.get('d')}"))
    return found


def test_marks_tell_the_state_of_each_change() -> None:
    mixed = [
        *changes(arrived="pulled")[:1],
        *changes(arrived="hole", silent=True, drift="stale")[:2],
        *changes(arrived="behind", copied="", drift="missing")[:1],
        *changes(truth="suspended", copied="suspended")[:1],
        *changes(truth="erased", copied="erased")[:1],
    ]
    state = replace(CALM, changes=mixed, copy=replace(CALM.copy, ghosts=["active"]))
    _, svg = drawn(state, "home")[0]
    assert looks(svg, "ledger", "tick") == {"calm": 4, "silent": 2}
    assert looks(svg, "copy", "tick") == {"got": 1, "hole": 2, "behind": 1, "calm": 2}
    assert looks(svg, "rows", "tile") == {"active": 4, "suspended": 1, "erased": 1}
    assert looks(svg, "copy", "tile") == {"ghost": 1, "active": 1, "off active": 2, "missing": 1, "suspended": 1, "erased": 1}


def test_the_queue_s_cells() -> None:
    def cells(state: State) -> dict[str, int]:
        return looks(drawn(state, "home")[0][1], "queue", "cell") | looks(drawn(state, "home")[0][1], "queue", "cell")

    assert cells(CALM) == {"in": 2}
    assert cells(STATES["full"]) == {"full": 9}
    assert cells(LARGE) == {"away": 9}


def roads(state: State, look: str) -> int:
    return sum(look in f"{path.get('class')}".split() for path in drawn(state, "home")[0][1].iter(f"{SVG}path"))


def test_roads_show_what_stands_still_what_is_pulled_and_what_differs() -> None:
    assert (roads(CALM, "off"), roads(CALM, "act"), roads(CALM, "open")) == (0, 0, 0)
    stopped = replace(CALM, programs=replace(CALM.programs, relay=DOWN))
    assert roads(stopped, "off") == 1
    assert roads(STATES["pulling"], "act") == 3
    assert roads(replace(CALM, comparison=Comparison({"stale": 3}, 1.0)), "open") == 2


def test_a_dot_s_way_ends_where_its_outcome_is() -> None:
    for geometry in drawing.geometries(SHAPES["home"]).values():
        assert set(geometry.travel) == {"applied", "obsolete", "duplicate", "parked", "lost", "feed"}
    wide = drawing.geometries(SHAPES["home"])[1180]
    queue, worker, copy = wide.boxes["queue"], wide.boxes["worker"], wide.boxes["copy"]
    assert wide.travel["lost"].endswith(f"H{queue.middle:g}")
    assert float(wide.travel["parked"].rpartition("H")[2]) < worker.x
    assert wide.travel["applied"].endswith(f"V{wide.boxes['rows'].centre:g}H{copy.right:g}")
