"""The outbox of users: how many events wait, and the newest events."""

from dataclasses import dataclass

from django_outbox_pattern.models import Published

from messaging.database.outbox_pattern import FAILED, FORMER, WAITING
from messaging.publisher import outbox as outboxes
from walkthrough.observe.side_by_side import MOST_COUNTED

#: The newest events that are looked at, and the most dots in the picture.
NEWEST, DOTS = 100, 12


@dataclass(frozen=True)
class Outbox:
    """`waiting` and `failed` stop at `MOST_COUNTED + 1`. `dots`: how many of the waiting are drawn."""

    waiting: int
    failed: int

    @property
    def dots(self) -> int:
        return min(self.waiting, DOTS)


def newest() -> list[Published]:
    """The newest events of users, the newest first."""
    return list(outboxes.rows("users", "users").order_by("-added")[:NEWEST])


def outbox() -> Outbox:
    """How many wait, and how many can't be sent."""
    return Outbox(_count(WAITING), _count(FAILED))


def state_of(row: Published) -> int:
    """The row's state in today's numbers."""
    return FORMER.get(row.status, row.status)


def _count(state: int) -> int:
    return outboxes.rows("users", "users", state).order_by()[: MOST_COUNTED + 1].count()
