"""Play a chapter: one step after the other, one player at a time. Played steps are kept until the stage is set again."""

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
from typing import IO, Any

from django.db import connections

from messaging.events.text import kind
from walkthrough.control import demo_only, processes
from walkthrough.script import kept, now
from walkthrough.script.chapter import Chapter
from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Entry, Played

log = logging.getLogger(__name__)
#: The name of the step that sets the stage.
SETTING = "stage"
#: A player that has ended its step, as everybody sees, gets this long to let go of the lock.
LETTING_GO_SECONDS = 5.0
INTERRUPTED = "The process that played this step ended before the step did. Set the stage again, then play on."

#: Errors whose message says what to do.
CLEAR = (demo_only.RealData, processes.SystemNotRunning, processes.WouldNot)


class CanNotPlay(Exception):
    """The step can't be played now; the message says why, and what to do."""


@dataclass
class Progress:
    """The played steps of a chapter."""

    #: In order; the first one set the stage.
    played: list[Played] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    #: True if the system is in this chapter's state.
    on_stage: bool = False

    def of(self, step: str) -> Played | None:
        return next((one for one in self.played if one.step == step), None)


def progress(chapter: Chapter) -> Progress:
    """Return how far the chapter was played. A step whose player died counts as played, and is red."""
    values = kept.read(_file(chapter))
    found = Progress([Played.from_json(one) for one in values.get("played", [])], values.get("notes", {}))
    last = now.look()
    if last and last.interrupted and last.chapter == chapter.number and not found.of(last.played.step):
        found.played.append(replace(last.played, error=INTERRUPTED, interrupted=True))
    found.on_stage = bool(found.played) and _on_stage() == chapter.number
    return found


def following(chapter: Chapter, found: Progress) -> str:
    """Return the name of the next step; empty if all are played.

    It is the setting of the stage if the stage isn't set, or if a step on it was interrupted.
    """
    if not found.on_stage or not found.played[0].green or found.played[-1].interrupted:
        return SETTING
    return next((step.name for step in chapter.steps if found.of(step.name) is None), "")


def begin(chapter: Chapter, name: str) -> None:
    """Play a step in a thread of this process. Returns when everybody sees that it runs; raises what `play` raises."""
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

    # In the caller's context: the step's events belong to the request's trace. A server that is asked to end doesn't wait.
    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name=f"{chapter.slug} {name}").start()
    begun.result()


def play(
    chapter: Chapter, name: str, follow: Callable[[Entry], None] = lambda entry: None, begun: Callable[[], None] = lambda: None
) -> Played:
    """Set the stage, or play the next step. Keeps the played step, and returns it.

    Parameters
    ----------
    follow
        Called with each entry at once.
    begun
        Called when everybody sees that the step runs.

    Raises
    ------
    CanNotPlay
        Another step is being played, or this step isn't the next one.
    """
    with alone():
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
    """Return the chapter's progress if this step may be played now. Setting the stage again forgets the played steps."""
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
    except Exception as error:  # the page says so; a half-played step isn't green
        log.exception("chapter %d, %s", chapter.number, done.step)
        done.error = f"{kind(error)}: {error}"
    done.seconds = round(time.monotonic() - began, 1)
    found.played.append(done)


def _out_of_order(chapter: Chapter, name: str, expected: str) -> str:
    if expected == SETTING:
        return "This chapter isn't on stage, or one of its steps was interrupted. Set this chapter's stage first."
    if not expected:
        return "All steps of this chapter are played. Set its stage to play it again."
    return f"Play “{chapter.step(expected).button}” before “{chapter.step(name).button}”."


@contextmanager
def alone() -> Iterator[None]:
    """Be the only player inside the block. Raises `CanNotPlay` if there is another."""
    kept.FOLDER.mkdir(parents=True, exist_ok=True)
    with (kept.FOLDER / "playing.lock").open("w") as file:
        limit = time.monotonic() + LETTING_GO_SECONDS
        while not _locked(file):
            last = now.look()
            if (last and last.running) or time.monotonic() > limit:
                raise CanNotPlay("Another step is being played, on a page or in a terminal. Wait until it ends.")
            time.sleep(0.02)
        yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _on_stage() -> int | None:
    number: int | None = kept.read(kept.FOLDER / "on-stage.json").get("chapter")
    return number


def _file(chapter: Chapter) -> Path:
    return kept.FOLDER / f"chapter-{chapter.number:02}.json"


def _keep(chapter: Chapter, found: Progress) -> None:
    kept.write(_file(chapter), {"played": [one.as_json() for one in found.played], "notes": found.notes})
