"""The way through the chapters: where the buttons lead, and how far the reader has come."""

from pathlib import Path

import pytest

from walkthrough.chapters import CHAPTERS
from walkthrough.script import course, kept, now
from walkthrough.script.course import SHORT, Stop
from walkthrough.script.transcript import Check, Played

GREEN, RED = [Check("holds", True)], [Check("fails", False)]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)


def play(number: int, steps: int | None = None, *, last: list[Check] = GREEN, on_stage: bool = True) -> None:
    """Keep what a player keeps: the stage and so many steps, or all."""
    chapter = CHAPTERS[number]
    names = ["stage", *(step.name for step in chapter.steps)][: None if steps is None else steps + 1]
    played = [Played(name, list(GREEN)) for name in names[:-1]] + [Played(names[-1], list(last))]
    kept.write(kept.FOLDER / f"chapter-{number:02}.json", {"played": [one.as_json() for one in played]})
    if on_stage:
        kept.write(kept.FOLDER / "on-stage.json", {"chapter": number})


def stop(number: int) -> Stop:
    return course.stops()[number]


def short() -> list[Stop]:
    return [one for one in course.stops() if one.short]


def test_nothing_is_done_at_first() -> None:
    way = course.stops()
    assert [one.chapter for one in way] == list(CHAPTERS)
    assert not any(one.done or one.begun for one in way)
    assert course.on_stage(way) is None
    begin = course.entrance(way)
    assert (begin.chapter, begin.begun) == (CHAPTERS[0], False)


def test_a_chapter_that_is_begun_says_at_which_step_it_stands() -> None:
    play(3, 1)
    three = stop(3)
    assert course.on_stage(course.stops()) == three
    assert (three.played, three.done, three.where) == (1, False, f"step 2 of {len(CHAPTERS[3].steps)}")
    assert three.step == CHAPTERS[3].steps[1].name


def test_another_chapter_s_stage_doesn_t_undo_what_was_played() -> None:
    play(3, 2)
    play(4, 0)
    assert (stop(3).played, stop(3).on_stage, stop(3).begun) == (2, False, True)
    assert stop(4).where == f"step 1 of {len(CHAPTERS[4].steps)}"


def test_a_chapter_with_a_red_check_is_done_but_not_green() -> None:
    play(0)
    assert (stop(0).done, stop(0).green, stop(0).where) == (True, True, f"all {len(CHAPTERS[0].steps)} steps played")
    play(0, last=RED)
    assert (stop(0).done, stop(0).green) == (True, False)


def test_a_stage_that_failed_is_to_be_set() -> None:
    play(0, 0, last=RED)
    assert (stop(0).where, stop(0).step) == ("set its stage", "stage")


def test_the_step_that_runs_is_where_the_reader_stands() -> None:
    play(0)
    with now.told(5, Played(CHAPTERS[5].steps[2].name)):
        assert stop(5).on_stage
        assert stop(5).where == f"step 3 of {len(CHAPTERS[5].steps)}"


def test_the_short_path_goes_on_at_its_first_chapter_that_isn_t_done() -> None:
    whole = course.entrance(short()).minutes
    play(0)
    begin = course.entrance(short())
    assert (begin.chapter.number, begin.begun) == (3, True)
    assert begin.minutes < whole
    for number in SHORT:
        play(number)
    begin = course.entrance(short())
    assert (begin.chapter.number, begin.begun, begin.minutes) == (0, False, whole)  # from the beginning again


def test_each_chapter_of_the_short_path_knows_the_next_one() -> None:
    following = {number: course.after(number) for number in range(13)}
    assert {number: one.number for number, one in following.items() if one} == {0: 3, 3: 4, 4: 5, 5: 7, 7: 12}
