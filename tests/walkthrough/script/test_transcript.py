"""What a step showed, kept as JSON and read again; and what makes it green."""

import json

import pytest

from walkthrough.script.transcript import MOST_LINES, MOST_SHOWN, Check, Entry, Played, Ran, Rows, Said, shortened

ENTRIES: list[Entry] = [
    Said("Five users are suspended."),
    Ran("manage.py status", 1, "one\ntwo", {"consumers": [{"lag": 0}]}),
    Rows("Side by side", ("user", "users"), (("Ada", "active v1"), ("Bob", "no row"))),
    Check("They agree", True, "24 users"),
    Check("They differ", False),
]


def test_what_was_kept_is_what_was_shown() -> None:
    played = Played("storm", list(ENTRIES), seconds=1.5, error="ValueError: boom")
    assert Played.from_json(json.loads(json.dumps(played.as_json()))) == played


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.kind)
def test_each_kind_comes_back_as_itself(entry: Entry) -> None:
    (found,) = Played.from_json(json.loads(json.dumps(Played("x", [entry]).as_json()))).entries
    assert found == entry
    assert type(found) is type(entry)


@pytest.mark.parametrize(
    ("entries", "error", "green"),
    [
        ([Check("a", True), Said("x"), Check("b", True)], "", True),
        ([Check("a", True), Check("b", False)], "", False),
        ([Said("nothing was checked")], "", False),
        ([], "", False),
        ([Check("a", True)], "ValueError: in the middle", False),
    ],
)
def test_green_is_a_step_that_came_to_its_end_with_checks_that_all_hold(entries: list[Entry], error: str, green: bool) -> None:
    assert Played("x", entries, error=error).green is green


def test_the_last_line_is_what_a_command_has_to_say() -> None:
    assert Ran("x", 0, "one\ntwo").last == "two"
    assert Ran("x", 0, "").last == "nothing"


@pytest.mark.parametrize(
    ("output", "json", "folded"),
    [
        ("one\ntwo", None, ""),
        ("\n".join(["x"] * MOST_SHOWN), None, ""),
        ("\n".join(["x"] * MOST_SHOWN + ["- the last -> one", ""]), None, "the last -> one"),
        ("\n".join(["┃ id ┃", "│ 7  │"] * MOST_SHOWN + ["1 row differs.", "└────┘"]), None, "1 row differs."),
        ('{"issued": 0}\nNothing was issued.', {"issued": 0}, "Nothing was issued."),
        ('{"issued": 1}', {"issued": 1}, "Output, 1 line"),
    ],
)
def test_a_page_folds_a_long_output_and_one_for_scripts(output: str, json: object, folded: str) -> None:
    assert Ran("x", 0, output, json).folded == folded


def test_a_long_output_loses_its_middle() -> None:
    lines = [f"line {number}" for number in range(MOST_LINES + 5)]
    kept = shortened("\n".join(lines) + "\n\n").splitlines()
    assert (kept[0], kept[-1]) == (lines[0], lines[-1])
    assert len(kept) == MOST_LINES + 1
    assert kept[MOST_LINES // 2] == "… 5 lines …"
    assert shortened("\n".join(lines[:MOST_LINES])).splitlines() == lines[:MOST_LINES]
