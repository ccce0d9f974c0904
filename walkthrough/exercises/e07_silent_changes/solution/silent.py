"""Finds the users whose last changes have no event."""

from typing import NamedTuple

from django.db.models import F

from messaging.models import Ledger
from walkthrough.exercises.shop.users.feed import FEED


class Silent(NamedTuple):
    """A user whose last change has no event."""

    user_id: str
    #: Changes since the last one with an event.
    changes: int


def silent_changes() -> list[Silent]:
    """Return the users whose last change has no event, the one with the most changes first."""
    rows = Ledger.objects.using("users").filter(aggregate=FEED.aggregate, version__gt=F("announced_version"))
    rows = rows.annotate(changes=F("version") - F("announced_version")).order_by("-changes", "aggregate_id")
    return [Silent(*row) for row in rows.values_list("aggregate_id", "changes")]
