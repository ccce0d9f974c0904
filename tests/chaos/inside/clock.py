"""Sets one process's clock forward or back: the time of day that the project and its libraries read (`time.time`, `time.time_ns`,
`django.utils.timezone.now`). The monotonic clock goes on, as when a real clock is set. The database's clock isn't changed.

Without root, another clock can't be set from outside the process: a time namespace shifts only the monotonic clock.
"""

import os
import time
from datetime import timedelta
from types import ModuleType

from tests.chaos.inside import Switch

_offset = Switch("clock", os.environ.get("CHAOS_NAME", "nobody"))


def offset() -> float:
    """Return the seconds that this process's clock is ahead."""
    return float(_offset.read() or 0)


def set_back(timezone: ModuleType) -> None:
    """Change `django.utils.timezone`, which reads the time in the standard library's C code and so calls no Python function."""
    real = timezone.now
    timezone.now = lambda: real() + timedelta(seconds=offset())  # type: ignore[attr-defined]


_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + offset()
time.time_ns = lambda: _time_ns() + int(offset() * 1_000_000_000)

BENDS = {"django.utils.timezone": set_back}
