"""The time at which this context's services act."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from django.utils import timezone

_moment: ContextVar[datetime | None] = ContextVar("moment", default=None)


def now() -> datetime:
    return _moment.get() or timezone.now()


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Inside, this thread's services act at this moment: for a simulation. Others go on by the real time."""
    before = _moment.set(moment)
    try:
        yield
    finally:
        _moment.reset(before)
