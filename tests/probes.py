"""Waits in tests: for a condition, never for a length of time."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds between two looks: a part of what was waited already, so a long wait leaves the processor to what it waits for.
SOONEST, LATEST, PART = 0.02, 0.1, 0.05


def wait_for(condition: Callable[[], T], *, timeout: float, what: str, seen: Callable[[], Any] | None = None) -> T:
    """Call `condition` until it returns a true value, and return that.

    After `timeout` seconds it raises an AssertionError with the awaited thing (`what`), the time, and the last observation (the
    result of `seen`, or of the condition). An error in the condition ends the wait at once, because an error is not a "not yet".
    """
    start = time.monotonic()
    while True:
        answer = condition()
        if answer:
            return answer
        waited = time.monotonic() - start
        if waited >= timeout:
            last = answer if seen is None else seen()
            raise AssertionError(f"Waited {waited:.1f} s for {what}; last seen: {last!r}")
        time.sleep(min(max(SOONEST, waited * PART), LATEST, timeout - waited))


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """The suite runs on two engines at a time; this waits until the other one has left the same lock."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
