"""The minutes of a chapter are measured, and the measurement fits the chapters as they are."""

import json
from pathlib import Path

import pytest

from walkthrough.chapters import CHAPTERS
from walkthrough.script import course, kept, minutes, usual
from walkthrough.script.chapter import Chapter
from walkthrough.script.transcript import Check, Played, Said


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    found: dict[str, int] = {}
    monkeypatch.setattr(minutes, "_measured", lambda: found)
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    return found


def test_words_and_seconds_and_a_pause_for_each_step_make_the_minutes(
    counted: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chapter = CHAPTERS[0]
    pauses = (1 + len(chapter.steps)) * minutes.PAUSE_SECONDS
    monkeypatch.setattr(usual, "MEASURED", tmp_path / "seconds.json")
    counted["0"] = 3 * minutes.WORDS_PER_MINUTE
    kept.write(usual.MEASURED, {"00/stage": 20.0, "00/bill": 100.0 - pauses, "01/stage": 600.0})
    assert minutes.minutes(chapter) == 5
    counted["0"] = 0
    monkeypatch.setattr(usual, "MEASURED", tmp_path / "none.json")
    assert minutes.minutes(chapter) == max(1, round(pauses / 60))


def test_only_a_walkthrough_that_was_played_whole_and_green_is_measured(counted: dict[str, int]) -> None:
    with pytest.raises(SystemExit, match="Play every step of chapter 0 first"):
        minutes.measure()
    for chapter in CHAPTERS:
        steps = [
            Played(name, [Said("Two words."), Check("holds", True)], 1.6) for name in ("stage", *(s.name for s in chapter.steps))
        ]
        kept.write(kept.FOLDER / f"chapter-{chapter.number:02}.json", {"played": [one.as_json() for one in steps]})
    found = minutes.measure()
    steps_of_first = 1 + len(CHAPTERS[0].steps)
    assert found["0"] == minutes.page(CHAPTERS[0]) + 3 * steps_of_first


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: one.slug)
def test_the_measurement_fits_the_chapter(chapter: Chapter) -> None:
    found = json.loads(minutes.MEASURED.read_text())[str(chapter.number)]
    page, shown = minutes.page(chapter), found - minutes.page(chapter)
    assert 0 < shown < 2 * page, f"Play the chapters and measure again: python -m walkthrough.script.minutes (page {page}, {found})"


def test_the_short_path_takes_about_forty_minutes() -> None:
    assert course.in_fives([stop for stop in course.stops() if stop.short]) <= 45
