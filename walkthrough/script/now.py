"""The step that is being played, or was played last, as every page and every process sees it.

Its player writes it into a file as it goes on, and holds a lock for as long as it lives. Where the file says that a step runs and
nobody holds the lock, the player died amid it.
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
    """`began`, `seen` and `ended` are seconds since the epoch. `seen`: when it last showed something. `ended` is None for one that
    runs, and for an interrupted one."""

    chapter: int
    played: Played
    began: float
    seen: float
    ended: float | None = None
    interrupted: bool = False

    @property
    def running(self) -> bool:
        return self.ended is None and not self.interrupted

    @property
    def over(self) -> float | None:
        """When it ended. An interrupted one was seen then for the last time, and None is for one that runs."""
        return self.seen if self.interrupted else self.ended

    @property
    def seconds(self) -> int:
        """How long it has been running, or did run."""
        return max(0, round((self.over or time.time()) - self.began))

    @property
    def last(self) -> Entry | None:
        """What it showed last."""
        return self.played.entries[-1] if self.played.entries else None

    @property
    def stamp(self) -> str:
        """Another one whenever there is something new to see."""
        state = "interrupted" if self.interrupted else "running" if self.running else "ended"
        return f"{self.chapter}-{self.played.step}-{self.began:.3f}-{len(self.played.entries)}-{state}"


@contextmanager
def told(chapter: int, played: Played) -> Iterator[Callable[[], None]]:
    """Inside, everybody sees that this step runs. Call what is given whenever it has shown something more.

    A block that ends by an exception leaves an interrupted step behind, as a process that dies does.
    """
    kept.FOLDER.mkdir(parents=True, exist_ok=True)
    with (kept.FOLDER / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # others hold it only for a look
        began = time.time()

        def note(ended: float | None = None) -> None:
            times = {"began": began, "seen": time.time(), "ended": ended}
            kept.write(kept.FOLDER / FILE, {"chapter": chapter, **times, "played": played.as_json()})

        note()
        yield note
        note(time.time())


def look() -> Now | None:
    """The step that runs, or the last one; None where none was ever played."""
    found = _read()
    while found and found.running and not _somebody_plays():
        before, found = found, _read()
        if found == before:  # nobody has ended it in between
            return replace(before, interrupted=True)
    return found


def _read() -> Now | None:
    values = kept.read(kept.FOLDER / FILE)
    if not values.get("began"):
        return None
    seen = values.get("seen", values["began"])  # an older version of the project didn't keep it
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
