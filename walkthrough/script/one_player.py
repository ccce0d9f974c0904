"""One player at a time, on all pages and in all terminals: a lock on a file."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from walkthrough.script import kept, now

#: A player that has ended its step, as everybody sees, gets this long to let go of the lock.
LETTING_GO_SECONDS = 5.0


class CanNotPlay(Exception):
    """The step can't be played now; the message says why, and what to do."""


@contextmanager
def alone() -> Iterator[None]:
    """Be the only player inside the block. Raises `CanNotPlay` if there is another."""
    with _file() as file:
        limit = time.monotonic() + LETTING_GO_SECONDS
        while not _locked(file):
            last = now.look()
            if (last and last.running) or time.monotonic() > limit:
                raise CanNotPlay("Another step is being played, on a page or in a terminal. Wait until it ends.")
            time.sleep(0.02)
        yield


@contextmanager
def alone_at_once() -> Iterator[bool]:
    """Be the only player inside the block, if nobody is one now: it gets True then. It never waits."""
    with _file() as file:
        yield _locked(file)


def _file() -> IO[str]:
    kept.FOLDER.mkdir(parents=True, exist_ok=True)
    return (kept.FOLDER / "playing.lock").open("w")


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
