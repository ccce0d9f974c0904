"""The step that is being played, or was played last, for every page and every process to see.

Its player writes it to a file as it goes on, and holds a lock while it lives. If the file says that a step runs and nobody holds
the lock, the player died during the step.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from walkthrough.script import kept
from walkthrough.script.transcript import Entry, Played

FILE, LOCK = "now.json", "alive.lock"


@dataclass(frozen=True)
class Now:
    """A step that runs, has ended or was interrupted. Times are seconds since the epoch."""

    chapter: int
    played: Played
    began: float
    #: When it last showed something.
    seen: float
    #: None while it runs, and if it was interrupted.
    ended: float | None = None
    interrupted: bool = False

    @property
    def running(self) -> bool:
        return self.ended is None and not self.interrupted

    @property
    def over(self) -> float | None:
        """When it ended, or was last seen if it was interrupted; None while it runs."""
        return self.seen if self.interrupted else self.ended

    @property
    def elapsed(self) -> float:
        """Seconds for which it has been running, or ran."""
        return max(0.0, (self.over or time.time()) - self.began)

    @property
    def seconds(self) -> int:
        return round(self.elapsed)

    @property
    def last(self) -> Entry | None:
        """The entry that it showed last."""
        return self.played.entries[-1] if self.played.entries else None

    @property
    def stamp(self) -> str:
        """A text that changes whenever there is something new to see."""
        state = "interrupted" if self.interrupted else "running" if self.running else "ended"
        return f"{self.chapter}-{self.played.step}-{self.began:.3f}-{self.seen:.3f}-{state}"


@contextmanager
def told(chapter: int, played: Played) -> Iterator[Callable[[], None]]:
    """Let everybody see, inside the block, that this step runs. Call the given function whenever it has shown something new.

    A block that ends by an exception leaves an interrupted step behind, like a process that dies.
    """
    kept.FOLDER.mkdir(parents=True, exist_ok=True)
    with (kept.FOLDER / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # others hold it only for a moment
        began = time.time()

        def note(ended: float | None = None) -> None:
            times = {"began": began, "seen": time.time(), "ended": ended}
            kept.write(kept.FOLDER / FILE, {"chapter": chapter, **times, "played": played.as_json()})

        note()
        yield note
        note(time.time())


def look() -> Now | None:
    """Return the step that runs, or the last one; None if none was ever played."""
    found = _read()
    while found and found.running and not _somebody_plays():
        before, found = found, _read()
        if found == before:  # it hasn't ended in between
            return replace(before, interrupted=True)
    return found


def _read() -> Now | None:
    values = kept.read(kept.FOLDER / FILE)
    if not values.get("began"):
        return None
    seen = values.get("seen", values["began"])  # older versions of the project didn't keep it
    return Now(values["chapter"], Played.from_json(values["played"]), values["began"], seen, values["ended"])


def _somebody_plays() -> bool:
    try:
        with (kept.FOLDER / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
