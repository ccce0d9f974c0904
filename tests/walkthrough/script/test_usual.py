"""A step's usual time: the median of its last plays here, and a measured one before the first."""

import json
from pathlib import Path

import pytest

from walkthrough.chapters import CHAPTERS
from walkthrough.script import kept, player, usual
from walkthrough.script.chapter import Chapter, Step
from walkthrough.script.stage import Stage


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, file = tmp_path / "walkthrough", tmp_path / "measured.json"
    folder.mkdir()
    file.write_text(json.dumps({"01/one": 8.0, "01/other": 3.0}))
    monkeypatch.setattr(kept, "FOLDER", folder)
    monkeypatch.setattr(usual, "MEASURED", file)
    return file


def test_before_the_first_play_it_is_the_measured_one() -> None:
    assert usual.seconds(1, "one") == 8.0
    assert usual.seconds(1, "unknown") is None


def test_a_play_is_compared_with_those_before_it() -> None:
    usual.note(1, "one", 20.0)
    assert usual.seconds(1, "one", last=20.0) == 8.0
    usual.note(1, "one", 30.0)
    assert usual.seconds(1, "one", last=30.0) == 20.0
    assert usual.seconds(1, "one", last=29.0) == 25.0  # it failed, so it isn't among them


def test_then_it_is_the_median_of_the_last_plays() -> None:
    for took in (2.0, 40.0, 3.0):
        usual.note(1, "one", took)
    assert usual.seconds(1, "one") == 3.0
    for _ in range(usual.MOST):
        usual.note(1, "one", 5.0)
    assert usual.seconds(1, "one") == 5.0
    assert len(kept.read(kept.FOLDER / "seconds.json")["01/one"]) == usual.MOST
    assert usual.seconds(1, "other") == 3.0


def test_the_script_writes_this_machine_s_medians_and_keeps_the_others(measured: Path) -> None:
    for took in (2.04, 2.06):
        usual.note(1, "one", took)
    usual.write_medians()
    assert json.loads(measured.read_text()) == {"01/one": 2.0, "01/other": 3.0}


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_only_a_play_that_was_as_expected_counts() -> None:
    def starts(stage: Stage) -> None:
        stage.check("The stage is set", True)

    def red(stage: Stage) -> None:
        stage.check("Two is three", False)

    chapter = Chapter(1, "c1", "t", "q", "s", "c", "w", starts, (Step("red", "Red", "Fails.", red),))
    for name in (player.SETTING, "red"):
        player.play(chapter, name)
    assert list(kept.read(kept.FOLDER / "seconds.json")) == [f"01/{player.SETTING}"]


def test_the_project_has_a_measured_time_of_every_step() -> None:
    values = json.loads(Path(usual.__file__).with_name("seconds.json").read_text())
    steps = [
        f"{chapter.number:02}/{name}" for chapter in CHAPTERS for name in (player.SETTING, *(one.name for one in chapter.steps))
    ]
    assert sorted(values) == sorted(steps)
    assert all(0 <= seconds < 60 for seconds in values.values())
