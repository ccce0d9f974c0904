"""What a step showed, kept as JSON and read again; and what makes it green."""

import json

import pytest

from walkthrough.script.transcript import MOST_LINES, MOST_SHOWN, Check, Entry, Played, Ran, Result, Rows, Said, shortened

ENTRIES: list[Entry] = [
    Said("Five users are suspended."),
    Ran("manage.py status", 1, "one\ntwo", {"consumers": [{"lag": 0}]}),
    Rows("Side by side", ("user", "users"), (("Ada", "active v1"), ("Bob", "no row"))),
    Check("They agree", True, "24 users"),
    Check("They differ", False),
    Check("Nobody hears of it", True, fault=True),
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


@pytest.mark.parametrize(
    ("entries", "result"),
    [
        ([Check("a", True), Check("b", True)], Result.HOLDS),
        ([Check("a", True), Check("a fault", True, fault=True)], Result.PREDICTED),
        ([Check("a", False), Check("a fault", True, fault=True)], Result.FAILS),
        ([Check("a", True), Check("a fault that didn't happen", False, fault=True)], Result.FAILS),
        ([], Result.FAILS),
    ],
)
def test_a_fault_that_the_chapter_predicts_is_amber_when_it_happens_and_red_when_it_does_not(
    entries: list[Entry], result: Result
) -> None:
    played = Played("x", entries)
    assert played.result is result
    assert played.green is (result is not Result.FAILS)


def test_each_result_has_words_a_mark_and_a_look_of_its_own() -> None:
    seen = {(str(result), result.mark, result.look) for result in Result}
    assert seen == {("holds", "✓", "good"), ("fails, as predicted", "!", "open"), ("fails", "✗", "bad")}


@pytest.mark.parametrize(
    ("guess", "words"), [("", "fails, as predicted"), ("right", "fails, as predicted"), ("wrong", "fails, on purpose")]
)
def test_a_fault_is_not_as_predicted_for_a_reader_who_predicted_something_else(guess: str, words: str) -> None:
    played = Played("x", [Check("a fault", True, fault=True)], guess=guess, outcome="right")
    assert played.verdict == played.fault_words == words
    played.outcome = ""  # while it runs
    assert played.fault_words == ("fails, on purpose" if guess else "fails, as predicted")
    assert played.words(Result.HOLDS) == "holds"


def test_what_was_kept_before_there_were_faults_is_still_read() -> None:
    old = {"claim": "a", "holds": True, "seen": "", "kind": "check"}
    assert Played.from_json({"step": "x", "entries": [old]}).result is Result.HOLDS


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
        ('{"issued": 1}', {"issued": 1}, "JSON"),
        ("\n".join(["┃ id ┃", "│ 7  │"] * MOST_SHOWN), None, f"Output, {2 * MOST_SHOWN} lines"),
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
