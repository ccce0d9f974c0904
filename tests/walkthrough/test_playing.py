"""Playing a chapter: one step after the other, by one player at a time, and what went wrong is kept."""

from pathlib import Path

import pytest

from walkthrough import playing
from walkthrough.chapter import Chapter, Step
from walkthrough.playing import SETTING, CanNotPlay
from walkthrough.record import Check, Entry, Said
from walkthrough.stage import Stage

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(playing, "FOLDER", tmp_path)
    return tmp_path


def starts(stage: Stage) -> None:
    stage.notes["began"] = "here"
    stage.check("The stage is set", True)


def fine(stage: Stage) -> None:
    stage.say("Fine.")
    stage.check("What was noted is known", stage.notes["began"] == "here", stage.notes["began"])


def wrong(stage: Stage) -> None:
    stage.check("It holds so far", True)
    raise ValueError("in the middle")


def red(stage: Stage) -> None:
    stage.check("Two is three", False, "two")


def made(number: int, *runs: object) -> Chapter:
    steps = tuple(Step(run.__name__, run.__name__.title(), "Does it.", run) for run in runs)  # type: ignore[attr-defined, arg-type]
    return Chapter(number, f"c{number}", "A chapter", "Why?", "s", "c", "w", starts, steps)


def all_of(chapter: Chapter) -> list[str]:
    return [one.step for one in playing.progress(chapter).played]


def test_the_stage_comes_first_then_each_step_in_its_turn() -> None:
    chapter = made(1, fine, red)
    with pytest.raises(CanNotPlay, match=r"Set this chapter's stage first\."):
        playing.play(chapter, "fine")
    assert playing.following(chapter, playing.progress(chapter)) == SETTING
    assert playing.play(chapter, SETTING).green
    with pytest.raises(CanNotPlay, match="“Fine” comes before “Red”"):
        playing.play(chapter, "red")
    assert playing.play(chapter, "fine").green
    with pytest.raises(CanNotPlay, match="“Red” comes before “Fine”"):
        playing.play(chapter, "fine")
    assert not playing.play(chapter, "red").green
    assert playing.following(chapter, playing.progress(chapter)) == ""
    with pytest.raises(CanNotPlay, match="Every step of this chapter is played"):
        playing.play(chapter, "red")
    assert all_of(chapter) == [SETTING, "fine", "red"]


def test_setting_the_stage_again_begins_anew() -> None:
    chapter = made(1, fine)
    playing.play(chapter, SETTING)
    playing.play(chapter, "fine")
    playing.play(chapter, SETTING)
    assert all_of(chapter) == [SETTING]
    assert playing.play(chapter, "fine").green


def test_what_was_played_is_kept_with_all_that_it_showed() -> None:
    chapter, heard = made(1, fine), list[Entry]()
    playing.play(chapter, SETTING)
    done = playing.play(chapter, "fine", heard.append)
    expected = [Said("Fine."), Check("What was noted is known", True, "here")]
    assert heard == done.entries == expected
    assert playing.progress(chapter).of("fine") == done
    assert playing.progress(chapter).notes == {"began": "here"}


def test_another_chapter_takes_the_stage() -> None:
    one, two = made(1, fine), made(2, fine)
    playing.play(one, SETTING)
    playing.play(two, SETTING)
    assert not playing.progress(one).on_stage
    assert playing.following(one, playing.progress(one)) == SETTING
    with pytest.raises(CanNotPlay, match="Another chapter is on stage"):
        playing.play(one, "fine")
    assert playing.play(two, "fine").green


def test_an_error_in_a_step_is_kept_and_not_green() -> None:
    chapter = made(1, wrong, fine)
    playing.play(chapter, SETTING)
    done = playing.play(chapter, "wrong")
    assert (done.error, done.green) == ("ValueError: in the middle", False)
    kept = playing.progress(chapter).of("wrong")
    assert kept is not None
    assert kept == done
    assert [check.claim for check in kept.checks] == ["It holds so far"]


def test_a_stage_that_was_not_set_has_to_be_set_again() -> None:
    chapter = Chapter(1, "c1", "t", "q", "s", "c", "w", wrong, (Step("fine", "Fine", "Does it.", fine),))
    assert not playing.play(chapter, SETTING).green
    assert playing.following(chapter, playing.progress(chapter)) == SETTING
    with pytest.raises(CanNotPlay, match="Set this chapter's stage first"):
        playing.play(chapter, "fine")


def test_while_a_step_is_played_nobody_else_plays_one() -> None:
    refused: list[str] = []

    def busy(stage: Stage) -> None:
        for name in (SETTING, "busy"):
            try:
                playing.play(made(2, fine), name)
            except CanNotPlay as error:
                refused.append(str(error))
        stage.check("Twice refused", len(refused) == 2)

    chapter = made(1, busy)
    playing.play(chapter, SETTING)
    assert playing.play(chapter, "busy").green
    assert all("A step is being played" in reason for reason in refused)
    assert playing.progress(chapter).on_stage
    assert playing.play(made(2, fine), SETTING).green


def test_what_is_kept_and_broken_counts_as_not_played(folder: Path) -> None:
    chapter = made(1, fine)
    playing.play(chapter, SETTING)
    (folder / "chapter-01.json").write_text('{"played": [')
    assert all_of(chapter) == []
    assert playing.play(chapter, SETTING).green
