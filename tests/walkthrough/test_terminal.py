"""What the terminal shows of a step, how it asks for a guess, and how the last chapter closes with the reader's own figures."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from walkthrough import terminal
from walkthrough.chapters import CHAPTERS
from walkthrough.questions import CLOSING, QUESTIONS, SILENCE
from walkthrough.script import kept
from walkthrough.script.chapter import Prediction, Step
from walkthrough.script.transcript import Check, Played

QUESTION = Prediction("How many events arrive?", {"none": "None", "one": "One", "all": "All [six]"})
STEP = Step("lose", "Lose it", "It is lost.", lambda stage: None, prediction=QUESTION)


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    return Console(file=io.StringIO(), width=100, highlight=False)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def answers(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    typed = iter(lines)
    monkeypatch.setattr("builtins.input", lambda *_: next(typed))


@pytest.mark.parametrize(("typed", "guess"), [(["2"], "one"), ([""], ""), (["4", "one", "0", " 3 "], "all")])
def test_it_asks_until_the_answer_is_an_options_number_or_nothing(
    console: Console, monkeypatch: pytest.MonkeyPatch, typed: list[str], guess: str
) -> None:
    answers(monkeypatch, *typed)
    assert terminal.ask(console, QUESTION) == guess
    assert "Predict: How many events arrive?" in printed(console)
    assert "3  All [six]" in printed(console)
    assert printed(console).count("Your guess, 1 to 3; Enter plays without a guess.") == len(typed)


@pytest.mark.parametrize(
    ("guess", "lines"),
    [
        ("one", ["You said: One (not this time)", "It was: All [six]"]),
        ("all", ["You said: All [six] (you were right)", "It was: All [six]"]),
        ("", ["It was: All [six]"]),
    ],
)
def test_guess_and_outcome_are_shown_together(console: Console, guess: str, lines: list[str]) -> None:
    terminal.closing(console, STEP, Played("lose", guess=guess, outcome="all"))
    assert [line.strip() for line in printed(console).splitlines() if line.strip()] == lines


def test_a_step_that_stopped_half_way_has_no_outcome(console: Console) -> None:
    terminal.closing(console, STEP, Played("lose", guess="one", error="The broker is away."))
    assert printed(console).split() == "✗ Stopped half-way: The broker is away.".split()


@pytest.mark.parametrize(("guess", "words"), [("", "fails, as predicted"), ("one", "fails, on purpose")])
def test_a_fault_is_as_predicted_unless_the_reader_s_guess_may_be_another(console: Console, guess: str, words: str) -> None:
    for check in (Check("It holds", True, "3"), Check("It is lost", True, fault=True), Check("It is found", False)):
        terminal.show(console, check, Played("lose", guess=guess))
    assert [line.strip() for line in printed(console).splitlines()] == [
        "✓ It holds (3)",
        f"! It is lost: {words}",
        "✗ It is found: fails",
    ]


def closing(number: int) -> str:
    console = Console(file=io.StringIO(), width=300)
    terminal.ending(console, CHAPTERS[number])
    return printed(console)


def test_the_last_chapter_prints_the_questions_with_the_readers_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    option = SILENCE.options[1]
    played = Played(option.step, [Check(f"{option.claim} for each", True, "12 events")])
    kept.write(tmp_path / f"chapter-{option.chapter:02}.json", {"played": [played.as_json()]})
    text = closing(CLOSING)
    assert all(f"{question.number}. {question.title}" in text for question in QUESTIONS)
    assert "12 events recorded" in text
    assert text.count("not played yet") == 15
    assert SILENCE.title not in closing(CLOSING - 1)
