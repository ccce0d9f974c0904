"""A clock that is set forward or back, for one process: what the project and its libraries ask for the time of day
(`time.time`, `time.time_ns`, `django.utils.timezone.now`). What they measure with, the monotonic clock, goes on, as it does when a
real clock is set. The database's clock is another one, and keeps its time.

Without root a process can't be given another clock from outside: a time namespace shifts only the monotonic one.
"""

import os
import time
from datetime import timedelta
from types import ModuleType

from tests.chaos.inside import Switch

_offset = Switch("clock", os.environ.get("CHAOS_NAME", "nobody"))


def offset() -> float:
    """Seconds that this process's clock is ahead."""
    return float(_offset.read() or 0)


def set_back(timezone: ModuleType) -> None:
    """`django.utils.timezone`: what asks for the time reads the standard library's C code, which looks at no Python function."""
    real = timezone.now
    timezone.now = lambda: real() + timedelta(seconds=offset())  # type: ignore[attr-defined]


_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + offset()
time.time_ns = lambda: _time_ns() + int(offset() * 1_000_000_000)

BENDS = {"django.utils.timezone": set_back}
