"""Simulated time: what the services of `users` do now, at another time of theirs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace
from uuid import UUID

from messaging.models import Ledger
from users import services
from users.feed import FEED


@contextmanager
def services_at(moment: datetime) -> Iterator[None]:
    """Inside, this process's services of `users` read this time from the clock. The database's own clock goes on."""
    real = services.timezone
    services.timezone = SimpleNamespace(now=lambda: moment)  # type: ignore[assignment]
    try:
        yield
    finally:
        services.timezone = real


def happened(moment: datetime, user_id: UUID, change: Callable[[], object]) -> None:
    """Make a change to a user that happened then: by the row's own time and by the ledger's."""
    with services_at(moment):
        change()
    Ledger.objects.using("users").filter(aggregate=FEED.label, aggregate_id=str(user_id)).update(changed_at=moment)
