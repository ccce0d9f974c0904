"""The state of the whole picture. Each part comes from the tables or from the supervisor, by queries of constant cost."""

import threading
import time
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from messaging.models import Subscription
from walkthrough.flow import changes, copy, outbox, outcomes, programs
from walkthrough.flow.changes import TILES, Change, Ledger
from walkthrough.flow.copy import Comparison, Copy
from walkthrough.flow.counted import number_of
from walkthrough.flow.outbox import Outbox
from walkthrough.flow.outcomes import Arrived, Counts, Last
from walkthrough.flow.programs import Programs, Queue

#: Seconds for which a state is kept, so that several open pages cost as much as one.
KEPT_SECONDS = 0.5


@dataclass(frozen=True)
class State:
    """The picture at one moment. `rows` and `copied` count all users and all copies of them."""

    at: datetime
    rows: int
    copied: int
    outbox: Outbox
    ledger: Ledger
    changes: list[Change]
    programs: Programs
    queue: Queue
    copy: Copy
    comparison: Comparison
    inbox: list[Arrived]
    counts: Counts
    #: Ids of the lost events among the newest ones.
    lost: list[str]
    last: Last | None
    #: Versions of the contracts of the newest events, as v1.
    versions: list[str]

    @property
    def tiles(self) -> list[Change]:
        """The newest changes, those that are drawn as rows."""
        return self.changes[-TILES:]


def look() -> State:
    """Read the state: about 20 queries, each of which reads a bounded number of rows by an index."""
    now = timezone.now()
    row = Subscription.objects.using("billing").filter(authority="users").first() or Subscription(authority="users")
    queue = programs.queue()
    recorded = outbox.newest()
    newest = changes.newest(row)
    received = outcomes.received()
    missing = outcomes.lost(recorded, row, queue, now)
    waiting = outbox.outbox()
    own = copy.copy(row, changes.ghosts(newest), now)
    return State(
        at=now,
        rows=number_of("rows"),
        copied=number_of("copied"),
        outbox=waiting,
        ledger=changes.ledger(),
        changes=newest,
        programs=programs.programs(row, queue, own, waiting.waiting),
        queue=queue,
        copy=own,
        comparison=copy.comparison(row, now),
        inbox=received,
        counts=outcomes.counts(row, len(missing)),
        lost=missing,
        last=outcomes.last(recorded, missing, now),
        versions=sorted({row.destination.rpartition(".")[2] for row in recorded}),
    )


_lock = threading.Lock()
_kept: tuple[float, State] | None = None


def kept() -> State:
    """Return the state, at most `KEPT_SECONDS` old."""
    global _kept
    with _lock:
        if _kept is None or time.monotonic() > _kept[0]:
            state = look()
            _kept = time.monotonic() + KEPT_SECONDS, state
        return _kept[1]


def forget() -> None:
    """Read everything again at the next look."""
    global _kept
    with _lock:
        _kept = None
    number_of.forget()
