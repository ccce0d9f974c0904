"""The clock of this context's services."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

from django.utils import timezone

_moment: ContextVar[datetime | None] = ContextVar("moment", default=None)
#: A failpoint: the clock is ahead by the sum of what these functions return. This is the walkthrough's wrong clock.
offsets: list[Callable[[], timedelta]] = []


def now() -> datetime:
    """Return the time at which a service acts."""
    return _moment.get() or timezone.now() + sum((offset() for offset in offsets), timedelta())


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Set the clock of this thread's services inside the block, for a simulation. Other threads keep the real time."""
    before = _moment.set(moment)
    try:
        yield
    finally:
        _moment.reset(before)
