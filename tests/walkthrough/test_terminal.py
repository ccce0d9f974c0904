"""The tour in a terminal closes like the page: the last chapter with the four questions and the reader's own figures."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from walkthrough import terminal
from walkthrough.chapters import CHAPTERS
from walkthrough.questions import CLOSING, QUESTIONS, SILENCE
from walkthrough.script import kept
from walkthrough.script.transcript import Check, Played


def printed(number: int) -> str:
    console = Console(file=io.StringIO(), width=300)
    terminal.ending(console, CHAPTERS[number])
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_the_last_chapter_prints_the_questions_with_the_readers_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    option = SILENCE.options[1]
    played = Played(option.step, [Check(f"{option.claim} for each", True, "12 events")])
    kept.write(tmp_path / f"chapter-{option.chapter:02}.json", {"played": [played.as_json()]})
    text = printed(CLOSING)
    assert all(f"{question.number}. {question.title}" in text for question in QUESTIONS)
    assert "12 events recorded" in text
    assert text.count("not played yet") == 15
    assert SILENCE.title not in printed(CLOSING - 1)
