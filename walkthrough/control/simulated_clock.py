"""Simulated time: what the services of `users` do now, at another time of theirs."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from messaging.models import Ledger
from users import clock
from users.feed import FEED


def happened(moment: datetime, user_id: UUID, change: Callable[[], object]) -> None:
    """Make a change to a user that happened then: by the row's own time and by the ledger's. The database's own clock goes on."""
    with clock.at(moment):
        change()
    Ledger.objects.using("users").filter(aggregate=FEED.label, aggregate_id=str(user_id)).update(changed_at=moment)
