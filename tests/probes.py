"""Waiting in tests: for a condition, never for a length of time."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

POLL = 0.02


def wait_for(condition: Callable[[], T], *, timeout: float, what: str, seen: Callable[[], Any] | None = None) -> T:
    """Ask `condition` until it is truthy and return what it said.

    After `timeout` seconds: an AssertionError that says `what` was waited for, how long, and what was last seen (the answer of
    `seen`, or of the condition itself). A condition that raises ends the wait at once: an error is no "not yet".
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
        time.sleep(min(POLL, timeout - waited))
