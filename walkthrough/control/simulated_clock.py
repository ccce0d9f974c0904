"""Simulated time for the services of `users`."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from messaging.models import Ledger
from users import clock
from users.feed import FEED


def happened(moment: datetime, user_id: UUID, change: Callable[[], object]) -> None:
    """Make a change with an earlier time, in the row and in the ledger. The database's own clock isn't changed."""
    with clock.at(moment):
        change()
    Ledger.objects.using("users").filter(aggregate=FEED.aggregate, aggregate_id=str(user_id)).update(changed_at=moment)
