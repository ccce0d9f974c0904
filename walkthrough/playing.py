"""Playing a chapter: one step after the other, by one player at a time, remembered until the chapter is set up anew."""

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connections

from config.environment import VAR
from walkthrough import made_up, programs
from walkthrough.chapter import Chapter
from walkthrough.record import Entry, Played
from walkthrough.stage import Stage

log = logging.getLogger(__name__)
FOLDER = VAR / "walkthrough"
#: The name under which the setting of the stage is remembered.
SETTING = "stage"
#: What the step that is being played has shown so far.
NOW = "now.json"


#: What says by itself what to do.
CLEAR = (made_up.RealData, programs.SystemNotRunning, programs.WouldNot)


class CanNotPlay(Exception):
    """Not now: the text says why, and what to do."""


@dataclass
class Progress:
    """What was played of a chapter, in order; the setting of the stage first. `on_stage`: the system is in this chapter's state."""

    played: list[Played] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    on_stage: bool = False

    def of(self, step: str) -> Played | None:
        return next((one for one in self.played if one.step == step), None)


def progress(chapter: Chapter) -> Progress:
    """How far the chapter is."""
    kept = _read(_file(chapter))
    played = [Played.from_json(values) for values in kept.get("played", [])]
    return Progress(played, kept.get("notes", {}), bool(played) and _on_stage() == chapter.number)


def following(chapter: Chapter, found: Progress) -> str:
    """The name of the step that is next: the setting of the stage where it isn't set, empty where all are played."""
    if not found.on_stage or not found.played[0].green:
        return SETTING
    return next((step.name for step in chapter.steps if found.of(step.name) is None), "")


def now(chapter: Chapter) -> list[Entry]:
    """What the chapter's running step has shown so far; nothing where none runs."""
    values = _read(FOLDER / NOW)
    return Played.from_json(values).entries if values.pop("chapter", None) == chapter.number else []


def play(chapter: Chapter, name: str, follow: Callable[[Entry], None] = lambda entry: None) -> Played:
    """Set the stage, or play the next step; returns what came of it, which is kept too. `follow` hears each entry at once.

    Raises `CanNotPlay` where another step is being played, and for a step that isn't the next one.
    """
    with _alone():
        found = progress(chapter)
        if name == SETTING:
            found = Progress()
            _write(FOLDER / "on-stage.json", {"chapter": chapter.number})
        elif name != (expected := following(chapter, found)):
            raise CanNotPlay(_out_of_order(chapter, name, expected))
        done = Played(name)

        def shows(entry: Entry) -> None:
            _write(FOLDER / NOW, {"chapter": chapter.number, **done.as_json()})
            follow(entry)

        stage = Stage(done, found.notes, shows)
        began = time.monotonic()
        try:
            made_up.check()
            (chapter.starts if name == SETTING else chapter.step(name).run)(stage)
        except CLEAR as error:
            done.error = str(error)
        except Exception as error:  # the page says so; a half-played step is no green one
            log.exception("chapter %d, %s", chapter.number, name)
            done.error = f"{type(error).__name__}: {error}"
        (FOLDER / NOW).unlink(missing_ok=True)
        done.seconds = round(time.monotonic() - began, 1)
        found.played.append(done)
        _write(_file(chapter), {"played": [one.as_json() for one in found.played], "notes": found.notes})
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
    return done


def _out_of_order(chapter: Chapter, name: str, expected: str) -> str:
    if expected == SETTING:
        return "Another chapter is on stage, or none. Set this chapter's stage first."
    if not expected:
        return "Every step of this chapter is played. Set its stage again to play it once more."
    return f"“{chapter.step(expected).button}” comes before “{chapter.step(name).button}”."


@contextmanager
def _alone() -> Iterator[None]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "playing.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CanNotPlay("A step is being played, here or in a terminal. Wait until it is through.") from None
        yield


def _on_stage() -> int | None:
    number: int | None = _read(FOLDER / "on-stage.json").get("chapter")
    return number


def _file(chapter: Chapter) -> Path:
    return FOLDER / f"chapter-{chapter.number:02}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        log.warning("%s can't be read; the chapter counts as not played", path.name)
        return {}
    return found


def _write(path: Path, values: dict[str, Any]) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(values, indent=1, default=str), encoding="utf-8")
    draft.replace(path)
