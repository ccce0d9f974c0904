"""The map of contexts: boxes and rows never overlap, and every text is inside its place."""

import re
from itertools import pairwise

import pytest

from walkthrough.observe import glossary
from walkthrough.observe.context_map import LINES, TEXT, Arrow, Drawing, draw, length, wrapped
from walkthrough.views.events import WIDTHS, WORDS

LONG = "customer_relationship_management_of_northern_europe"[:50]
MANY = [LONG, "users", "x" * 50, *(f"context_{number}" for number in range(9))]


def arrow(source: str, target: str, names: str = "user: created, suspended", feed: bool = False) -> Arrow:
    return Arrow(source, target, names, "2 event types", "bootstrapping, lag 123,456,789", "open", feed)


@pytest.fixture(params=[["users"], ["users", "billing"], ["users", "billing", "monolith"], MANY], ids=len)
def contexts(request: pytest.FixtureRequest) -> list[str]:
    names: list[str] = request.param
    return names


@pytest.fixture(params=WIDTHS.values())
def drawing(contexts: list[str], request: pytest.FixtureRequest) -> Drawing:
    arrows = [arrow(source, target) for source in contexts for target in contexts]
    arrows += [arrow(contexts[0], contexts[-1], f"feed {LONG}", feed=True)]
    return draw(contexts, arrows, request.param, elsewhere=contexts[-1:])


def test_boxes_do_not_overlap_and_hold_their_text(drawing: Drawing, contexts: list[str]) -> None:
    assert [box.name for box in drawing.boxes] == contexts
    for one, other in pairwise(drawing.boxes):
        assert one.x + one.width < other.x
    for box in drawing.boxes:
        assert box.x >= 0
        assert box.x + box.width <= drawing.width + 0.01
        assert max(length(line) for _, line in box.lines) <= box.width
        assert max(y for y, _ in box.lines) <= box.height
    assert "".join(line for _, line in drawing.boxes[-1].lines).startswith(contexts[-1])
    assert drawing.boxes[-1].elsewhere


def test_rows_do_not_overlap_and_stay_in_the_picture(drawing: Drawing, contexts: list[str]) -> None:
    assert len(drawing.rows) == len(contexts) ** 2 + 1
    above = drawing.boxes[0].height
    for row in drawing.rows:
        texts = [(row.text_x, y, line) for y, line in row.lines] + [(row.state_x, row.state_y, row.mark)]
        for x, y, text in texts:
            assert y - TEXT >= above
            above = y
            assert x >= 0
            assert x + length(text) <= drawing.width
    assert above <= drawing.height


def test_a_small_map_fits_a_phone() -> None:
    assert draw(["users", "billing", "monolith"], [], WIDTHS["small"]).width <= WIDTHS["small"]


def test_an_arrow_ends_at_its_consumer() -> None:
    drawing = draw(["users", "billing"], [arrow("users", "billing"), arrow("billing", "users")], 640)
    users, billing = (box.centre for box in drawing.boxes)
    there, back = drawing.rows
    assert (ends(there.path), ends(back.path)) == ((users, billing - 2), (billing, users + 2))
    assert f"L{billing - 1:g} " in there.head
    assert f"L{users + 1:g} " in back.head


def ends(path: str) -> tuple[float, ...]:
    return tuple(float(x) for x in re.findall(r"[MH]([\d.]+)", path))


def test_too_many_names_are_counted() -> None:
    names = ", ".join(f"something_happened_{number}" for number in range(40))
    (row,) = draw(["users", "billing"], [arrow("users", "billing", names)], 320).rows
    assert [line for _, line in row.lines] == ["2 event types"]
    (row,) = draw(["users", "billing"], [arrow("users", "billing", "user: created")], 320).rows
    assert [line for _, line in row.lines] == ["user: created"]
    assert LINES < 5


@pytest.mark.parametrize(
    ("text", "limit", "lines"),
    [
        ("users", 9, ["users"]),
        ("customer_relations", 10, ["customer_", "relations"]),
        ("created, suspended", 9, ["created,", "suspended"]),
        ("xxxxxxxxxxxx", 5, ["xxxxx", "xxxxx", "xx"]),
        ("a xxxxxxxx", 5, ["a", "xxxxx", "xxx"]),
        ("", 5, [""]),
    ],
)
def test_text_is_broken_between_words(text: str, limit: int, lines: list[str]) -> None:
    assert wrapped(text, limit) == lines


def test_the_pages_words_are_in_the_glossary() -> None:
    found = glossary.meanings(*WORDS)
    assert [word for word, _ in found] == list(WORDS)
    assert dict(found)["lag"] == "how many positions a copy is behind"
    with pytest.raises(KeyError):
        glossary.meanings("nothing")
