"""Playing a chapter: one step after the other, by one player at a time, and what went wrong is kept."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from config.env import ROOT
from messaging.events import tracing
from tests.probes import wait_for
from walkthrough.script import kept, now, player
from walkthrough.script.chapter import Chapter, Prediction, Step
from walkthrough.script.now import Now
from walkthrough.script.player import SETTING, CanNotPlay
from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Check, Entry, Said

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "walkthrough"
    monkeypatch.setattr(kept, "FOLDER", found)
    return found


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
    steps = tuple(Step(run.__name__.replace("_", "-"), run.__name__.title(), "Does it.", run) for run in runs)  # type: ignore[attr-defined, arg-type]
    return Chapter(number, f"c{number}", "A chapter", "Why?", "s", "c", "w", starts, steps)


def all_of(chapter: Chapter) -> list[str]:
    return [one.step for one in player.progress(chapter).played]


def test_the_stage_comes_first_then_each_step_in_its_turn() -> None:
    chapter = made(1, fine, red)
    with pytest.raises(CanNotPlay, match=r"Set this chapter's stage first\."):
        player.play(chapter, "fine")
    assert player.following(chapter, player.progress(chapter)) == SETTING
    assert player.play(chapter, SETTING).green
    with pytest.raises(CanNotPlay, match="Play “Fine” before “Red”"):
        player.play(chapter, "red")
    assert player.play(chapter, "fine").green
    with pytest.raises(CanNotPlay, match="Play “Red” before “Fine”"):
        player.play(chapter, "fine")
    assert not player.play(chapter, "red").green
    assert player.following(chapter, player.progress(chapter)) == ""
    with pytest.raises(CanNotPlay, match="All steps of this chapter are played"):
        player.play(chapter, "red")
    assert all_of(chapter) == [SETTING, "fine", "red"]


def test_setting_the_stage_again_begins_anew() -> None:
    chapter = made(1, fine)
    player.play(chapter, SETTING)
    player.play(chapter, "fine")
    player.play(chapter, SETTING)
    assert all_of(chapter) == [SETTING]
    assert player.play(chapter, "fine").green


def test_what_was_played_is_kept_with_all_that_it_showed() -> None:
    chapter, heard = made(1, fine), list[Entry]()
    player.play(chapter, SETTING)
    done = player.play(chapter, "fine", heard.append)
    expected = [Said("Fine."), Check("What was noted is known", True, "here")]
    assert heard == done.entries == expected
    assert player.progress(chapter).of("fine") == done
    assert player.progress(chapter).notes == {"began": "here"}


QUESTION = Prediction("How many?", {"none": "None", "one": "One"})


def asking(outcome: str, prediction: Prediction | None = QUESTION) -> Chapter:
    """A chapter whose step records this outcome."""

    def run(stage: Stage) -> None:
        stage.check("It ran", True)
        if outcome:
            stage.outcome(**{outcome: True})

    steps = (Step("ask", "Ask", "Asks.", run, prediction=prediction),)
    chapter = Chapter(1, "c1", "t", "q", "s", "c", "w", starts, steps)
    player.play(chapter, SETTING)
    return chapter


@pytest.mark.parametrize("guess", ["none", "one", ""])
def test_a_guess_is_kept_with_what_came_true(guess: str) -> None:
    chapter = asking("one")
    assert player.play(chapter, "ask", guess=guess).green
    kept = player.progress(chapter).of("ask")
    assert kept is not None
    assert (kept.guess, kept.outcome) == (guess, "one")


def test_a_guess_is_seen_while_the_step_runs() -> None:
    seen: list[Now | None] = []
    step = Step("ask", "Ask", "Asks.", lambda stage: seen.append(now.look()), prediction=QUESTION)
    chapter = Chapter(1, "c1", "t", "q", "s", "c", "w", starts, (step,))
    player.play(chapter, SETTING)
    player.play(chapter, "ask", guess="one")
    assert seen[0] is not None
    assert seen[0].played.guess == "one"


def test_a_guess_that_is_no_option_is_refused_and_the_step_is_still_the_next_one() -> None:
    chapter = asking("one")
    for name, guess in (("ask", "two"), (SETTING, "one")):
        with pytest.raises(CanNotPlay, match=f"no option “{guess}”"):
            player.play(chapter, name, guess=guess)
    assert player.following(chapter, player.progress(chapter)) == "ask"


@pytest.mark.parametrize(
    ("outcome", "prediction", "says"),
    [
        ("", QUESTION, "its outcome is “”, and its options are none, one"),
        ("many", QUESTION, "its outcome is “many”, and its options are none, one"),
        ("one", None, "its outcome is “one”, and its options are none"),
    ],
)
def test_a_step_that_asks_and_does_not_say_what_came_true_is_red(outcome: str, prediction: Prediction | None, says: str) -> None:
    done = player.play(asking(outcome, prediction), "ask")
    assert not done.green
    assert says in done.error


def test_another_chapter_takes_the_stage() -> None:
    one, two = made(1, fine), made(2, fine)
    player.play(one, SETTING)
    player.play(two, SETTING)
    assert not player.progress(one).on_stage
    assert player.following(one, player.progress(one)) == SETTING
    with pytest.raises(CanNotPlay, match="This chapter isn't on stage"):
        player.play(one, "fine")
    assert player.play(two, "fine").green


def test_an_error_in_a_step_is_kept_and_not_green() -> None:
    chapter = made(1, wrong, fine)
    player.play(chapter, SETTING)
    done = player.play(chapter, "wrong")
    assert (done.error, done.green) == ("value error: in the middle", False)
    kept = player.progress(chapter).of("wrong")
    assert kept is not None
    assert kept == done
    assert [check.claim for check in kept.checks] == ["It holds so far"]


def test_a_stage_that_was_not_set_has_to_be_set_again() -> None:
    chapter = Chapter(1, "c1", "t", "q", "s", "c", "w", wrong, (Step("fine", "Fine", "Does it.", fine),))
    assert not player.play(chapter, SETTING).green
    assert player.following(chapter, player.progress(chapter)) == SETTING
    with pytest.raises(CanNotPlay, match="Set this chapter's stage first"):
        player.play(chapter, "fine")


def test_while_a_step_is_played_nobody_else_plays_one() -> None:
    refused: list[str] = []

    def busy(stage: Stage) -> None:
        for name in (SETTING, "busy"):
            try:
                player.play(made(2, fine), name)
            except CanNotPlay as error:
                refused.append(str(error))
        stage.check("Twice refused", len(refused) == 2)

    chapter = made(1, busy)
    player.play(chapter, SETTING)
    assert player.play(chapter, "busy").green
    assert all("Another step is being played" in reason for reason in refused)
    assert player.progress(chapter).on_stage
    assert player.play(made(2, fine), SETTING).green


def test_a_step_begun_beside_is_seen_by_everybody_until_it_has_ended() -> None:
    go_on, looks = threading.Event(), list[Now | None]()

    def slow(stage: Stage) -> None:
        stage.say("Half of it.")
        looks.append(now.look())
        stage.check("Somebody let it go on", go_on.wait(30))

    chapter = made(1, slow)
    player.begin(chapter, SETTING)
    through()
    player.begin(chapter, "slow")
    running = now.look()
    assert running is not None
    assert (running.chapter, running.played.step, running.running) == (1, "slow", True)
    with pytest.raises(CanNotPlay, match="Another step is being played"):
        player.begin(chapter, SETTING)
    wait_for(lambda: looks, timeout=10, what="the step's first entry")
    assert looks[0] is not None
    assert looks[0].last == Said("Half of it.")
    assert looks[0].stamp != running.stamp
    go_on.set()
    ended = through()
    assert ended.played.green
    assert ended.played == player.progress(chapter).of("slow")


def test_the_next_step_may_begin_as_soon_as_the_last_one_is_seen_to_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        """A database that takes its time to close its connections."""

        def all(self, initialized_only: bool) -> list[object]:
            time.sleep(0.3)
            return []

        def close_all(self) -> None:
            pass

    monkeypatch.setattr(player, "connections", Slow())
    chapter = made(1, fine)
    for name in (SETTING, "fine"):
        player.begin(chapter, name)
        assert through().played.green


def through() -> Now:
    found = wait_for(lambda: (last := now.look()) and not last.running and last, timeout=10, what="the step to end", seen=now.look)
    assert found
    return found


def test_what_a_step_records_belongs_to_the_story_of_who_began_it() -> None:
    found: list[str] = []

    def records(stage: Stage) -> None:
        found.append(tracing.current().correlation)

    with tracing.tracing("a request's"):
        player.begin(made(1, fine), SETTING)
        through()
        chapter = Chapter(1, "c1", "t", "q", "s", "c", "w", records, (Step("fine", "Fine", "Does it.", fine),))
        player.begin(chapter, SETTING)
    through()
    assert found == ["a request's"]


PLAYER = """
from walkthrough.script import now
from walkthrough.script.transcript import Played, Said
with now.told(1, Played({step!r}, [Said("Half of it.")])):
    print("begun", flush=True)
    input()
"""


@pytest.mark.parametrize("step", [SETTING, "fine"])
def test_a_step_whose_player_died_is_interrupted_and_the_stage_has_to_be_set_again(folder: Path, step: str) -> None:
    chapter = made(1, fine)
    player.play(chapter, SETTING)
    if step == SETTING:
        player._keep(chapter, player.Progress())  # as a setting begins
    process = subprocess.Popen(
        [sys.executable, "-c", PLAYER.format(step=step)],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(folder.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        running = now.look()
        assert running is not None
        assert running.running
        process.kill()
    last = now.look()
    assert last is not None
    assert (last.running, last.interrupted) == (False, True)
    told = player.progress(chapter).of(step)
    assert told is not None
    assert (told.error, told.green, told.entries) == (player.INTERRUPTED, False, [Said("Half of it.")])
    assert player.following(chapter, player.progress(chapter)) == SETTING
    with pytest.raises(CanNotPlay, match=r"Set this chapter's stage first\."):
        player.play(chapter, "fine")
    assert player.play(chapter, SETTING).green
    assert player.play(chapter, "fine").green
    assert all_of(chapter) == [SETTING, "fine"]


def test_a_step_that_is_broken_off_by_ctrl_c_is_interrupted() -> None:
    def broken_off(stage: Stage) -> None:
        raise KeyboardInterrupt

    chapter = made(1, broken_off)
    player.play(chapter, SETTING)
    with pytest.raises(KeyboardInterrupt):
        player.play(chapter, "broken-off")
    told = player.progress(chapter).of("broken-off")
    assert told is not None
    assert told.interrupted


def test_what_is_kept_and_broken_counts_as_not_played(folder: Path) -> None:
    chapter = made(1, fine)
    player.play(chapter, SETTING)
    (folder / "chapter-01.json").write_text('{"played": [')
    assert all_of(chapter) == []
    assert player.play(chapter, SETTING).green
