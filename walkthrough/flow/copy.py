"""Reads billing's record of its copy: the checkpoint, the age, any doubt, and the result of the last comparison."""

from dataclasses import dataclass
from datetime import datetime

from messaging.consumer.checkpoints import highest
from messaging.models import Incident, Subscription
from messaging.operations.status import DOUBTFUL
from messaging.replica.drift import KINDS
from walkthrough.control import broker


@dataclass(frozen=True)
class Copy:
    """`holes`: positions that are missing below the highest known one. `age`: seconds since the copy was confirmed, None if it
    never was. `pulled`: rows that came without an event, by the open incident. `overdue`: for how many seconds a position has been
    missing. `ghosts`: the status of rows that the authority doesn't know."""

    checkpoint: int
    holes: int
    age: float | None
    state: str
    doubt: str
    doubtful_since: datetime | None
    pulled: int
    overdue: float
    ghosts: list[str]


@dataclass(frozen=True)
class Comparison:
    """The last comparison. `differ`: rows by kind; None if there was none. `ago`: seconds."""

    differ: dict[str, int] | None
    ago: float

    @property
    def differing(self) -> int:
        return sum((self.differ or {}).values())


def copy(row: Subscription, ghosts: list[str], now: datetime) -> Copy:
    """Billing's copy of users. One query."""
    silent = Incident.objects.using("billing").filter(authority="users", kind=Incident.Kind.SILENT, closed_at=None).first()
    age = broker.age(row)
    return Copy(
        checkpoint=row.checkpoint,
        holes=holes(row),
        age=None if age is None else age.total_seconds(),
        state=DOUBTFUL if row.doubt else row.state,
        doubt=row.doubt,
        doubtful_since=row.doubtful_since,
        pulled=silent.count if silent else 0,
        overdue=(now - row.behind_since).total_seconds() if row.behind_since else 0.0,
        ghosts=ghosts,
    )


def holes(row: Subscription) -> int:
    """Count the positions that billing knows of but doesn't have."""
    beyond = sum(last - first + 1 for first, last in row.ahead)
    return max(0, max(row.head, highest(row)) - row.checkpoint - beyond)


def comparison(row: Subscription, now: datetime) -> Comparison:
    """Return the result of the last comparison."""
    if row.drift is None or row.compared_at is None:
        return Comparison(None, 0.0)
    return Comparison({kind: row.drift.get(kind, 0) for kind in KINDS}, (now - row.compared_at).total_seconds())
