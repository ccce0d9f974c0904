"""Playing a chapter: one step after the other, by one player at a time, remembered until the chapter is set up anew."""

import contextvars
import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.db import connections

from messaging.events.text import kind
from walkthrough.control import demo_only, processes
from walkthrough.script import kept, now
from walkthrough.script.chapter import Chapter
from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Entry, Played

log = logging.getLogger(__name__)
#: The name under which the setting of the stage is remembered.
SETTING = "stage"
INTERRUPTED = "The process that played this step ended before the step did. Set the stage again, and play from there."

#: What says by itself what to do.
CLEAR = (demo_only.RealData, processes.SystemNotRunning, processes.WouldNot)


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
    """How far the chapter is. A step whose player died counts as played, and is red."""
    values = kept.read(_file(chapter))
    found = Progress([Played.from_json(one) for one in values.get("played", [])], values.get("notes", {}))
    last = now.look()
    if last and last.interrupted and last.chapter == chapter.number and not found.of(last.played.step):
        found.played.append(replace(last.played, error=INTERRUPTED, interrupted=True))
    found.on_stage = bool(found.played) and _on_stage() == chapter.number
    return found


def following(chapter: Chapter, found: Progress) -> str:
    """The name of the step that is next: the setting of the stage where it isn't set, or where what was played on it was
    interrupted; empty where all are played."""
    if not found.on_stage or not found.played[0].green or found.played[-1].interrupted:
        return SETTING
    return next((step.name for step in chapter.steps if found.of(step.name) is None), "")


def begin(chapter: Chapter, name: str) -> None:
    """Play it in a thread of this process, as `play` does. Returns when everybody sees that it runs; raises what `play` raises."""
    begun = Future[None]()

    def run() -> None:
        try:
            play(chapter, name, begun=lambda: begun.set_result(None))
        except BaseException as error:
            if begun.done():
                raise
            begun.set_exception(error)
        finally:
            connections.close_all()  # this thread's own

    # In the caller's context: what the step records belongs to the request's story. A server that is told to end doesn't wait.
    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name=f"{chapter.slug} {name}").start()
    begun.result()


def play(
    chapter: Chapter, name: str, follow: Callable[[Entry], None] = lambda entry: None, begun: Callable[[], None] = lambda: None
) -> Played:
    """Set the stage, or play the next step; returns what came of it, which is kept too. `follow` hears each entry at once, `begun`
    that everybody sees it run.

    Raises `CanNotPlay` where another step is being played, and for a step that isn't the next one.
    """
    with _alone():
        found = _allowed(chapter, name)
        done = Played(name)
        with now.told(chapter.number, done) as note:
            begun()
            _perform(chapter, found, done, note, follow)
            _keep(chapter, found)
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
    return done


def _allowed(chapter: Chapter, name: str) -> Progress:
    """The chapter's progress so far, where this step may be played now. What was played before another setting of the stage is
    forgotten."""
    found = progress(chapter)
    if name == SETTING:
        found = Progress()
        kept.write(kept.FOLDER / "on-stage.json", {"chapter": chapter.number})
        _keep(chapter, found)
    elif name != (expected := following(chapter, found)):
        raise CanNotPlay(_out_of_order(chapter, name, expected))
    return found


def _perform(chapter: Chapter, found: Progress, done: Played, note: Callable[[], None], follow: Callable[[Entry], None]) -> None:
    def shows(entry: Entry) -> None:
        note()
        follow(entry)

    stage = Stage(done, found.notes, shows)
    began = time.monotonic()
    try:
        demo_only.check()
        (chapter.starts if done.step == SETTING else chapter.step(done.step).run)(stage)
    except CLEAR as error:
        done.error = str(error)
    except Exception as error:  # the page says so; a half-played step is no green one
        log.exception("chapter %d, %s", chapter.number, done.step)
        done.error = f"{kind(error)}: {error}"
    done.seconds = round(time.monotonic() - began, 1)
    found.played.append(done)


def _out_of_order(chapter: Chapter, name: str, expected: str) -> str:
    if expected == SETTING:
        return "Another chapter is on stage, or none, or a step was interrupted. Set this chapter's stage first."
    if not expected:
        return "Every step of this chapter is played. Set its stage again to play it once more."
    return f"“{chapter.step(expected).button}” comes before “{chapter.step(name).button}”."


@contextmanager
def _alone() -> Iterator[None]:
    kept.FOLDER.mkdir(parents=True, exist_ok=True)
    with (kept.FOLDER / "playing.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CanNotPlay("A step is being played, here or in a terminal. Wait until it is through.") from None
        yield


def _on_stage() -> int | None:
    number: int | None = kept.read(kept.FOLDER / "on-stage.json").get("chapter")
    return number


def _file(chapter: Chapter) -> Path:
    return kept.FOLDER / f"chapter-{chapter.number:02}.json"


def _keep(chapter: Chapter, found: Progress) -> None:
    kept.write(_file(chapter), {"played": [one.as_json() for one in found.played], "notes": found.notes})
