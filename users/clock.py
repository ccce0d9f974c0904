"""The clock of this context's services."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from django.utils import timezone

_moment: ContextVar[datetime | None] = ContextVar("moment", default=None)


def now() -> datetime:
    """Return the time at which a service acts."""
    return _moment.get() or timezone.now()


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Set the clock of this thread's services inside the block, for a simulation. Other threads keep the real time."""
    before = _moment.set(moment)
    try:
        yield
    finally:
        _moment.reset(before)
