"""The four questions: each option leads to a step, and its figure is one that the step's check finds."""

from pathlib import Path

import pytest

from tests.walkthrough.words import spoken
from walkthrough.chapters import FOLDER, chapter
from walkthrough.questions import QUESTIONS, Option, figures
from walkthrough.script import kept
from walkthrough.script.transcript import Check, Played

OPTIONS = [option for question in QUESTIONS for option in question.options]
each_option = pytest.mark.parametrize("option", OPTIONS, ids=lambda one: f"{one.chapter}-{one.step}-{one.title}")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)


def keep(number: int, *played: Played) -> None:
    kept.write(kept.FOLDER / f"chapter-{number:02}.json", {"played": [one.as_json() for one in played]})


def figure(option: Option) -> figures.Answer:
    return next(one for _, options in figures.answers() for one in options if one.option is option)


def test_there_are_four_with_four_options_and_an_answer_each() -> None:
    assert [question.number for question in QUESTIONS] == [1, 2, 3, 4]
    assert all(len(question.options) == 4 and any(one.ours for one in question.options) for question in QUESTIONS)


@each_option
def test_the_step_exists_and_has_such_a_check(option: Option) -> None:
    chapter(option.chapter).step(option.step)
    source = next(FOLDER.glob(f"c{option.chapter:02}_*/steps.py")).read_text(encoding="utf-8")
    assert [words for words in spoken(source) if words.startswith(option.claim)], option.claim


@each_option
def test_a_figure_is_what_the_check_found(option: Option) -> None:
    assert figure(option).figure is None
    keep(
        option.chapter, Played(option.step, [Check("Another claim", True, "nothing"), Check(f"{option.claim} …", True, "24 rows")])
    )
    assert figure(option).figure == option.figure.format(seen="24 rows")
    assert "24 rows" in str(figure(option).figure)
    assert figure(option).holds


def test_a_check_that_failed_is_told() -> None:
    option = OPTIONS[0]
    keep(option.chapter, Played(option.step, [Check(f"{option.claim} 3", False, "0 rows")]))
    assert (figure(option).figure, figure(option).holds) == ("After the crash: 0 rows", False)
