"""Fill a new copy from the authority's feed while live events arrive.

The order: read the registration, create the queue, read the head H, read the pages up to H, pull later changes, compare
fingerprints. The copy is live only if they are equal (`Replica.go_live`). Each page commits together with the checkpoint, so a
killed bootstrap resumes after its last page, and a finished one has nothing left to do.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError as BrokerError

from messaging import failpoints
from messaging.database import locks
from messaging.errors import AlreadyRunning, BelowFloor, BrokerAway, Held
from messaging.events.text import kind, said
from messaging.models import Subscription
from messaging.replica import compare
from messaging.replica import pull as pulls
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from messaging.replica.search import MOST_IDS
from messaging.transport.sender import Sender

State = Subscription.State
#: Comparisons until a difference counts; later changes are pulled before each.
COMPARISONS = 3
#: Pulls after a comparison, until the differing rows have arrived.
PULLS = 5


@dataclass(frozen=True)
class Bootstrapped:
    """A bootstrap's result. `verdict`: in_sync, drift, or from_now (nothing was compared)."""

    state: str
    rows: int
    pages: int
    rows_per_second: int
    resumed: bool
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Counting:
    rows: int = 0
    pages: int = 0


def bootstrap(
    replica: Replica,
    app: Celery,
    *,
    from_now: bool = False,
    pause: bool = False,
    page_size: int = pulls.PAGE_ROWS,
    expecting: Callable[[int], None] = lambda rows: None,
    progress: Callable[[int], None] = lambda done: None,
) -> Bootstrapped:
    """Fill a copy from its authority's feed. Safe to repeat and to kill.

    `from_now`: start at the head with an empty copy; lookups fill it on a miss. `pause`: the worker leaves its queue alone until
    the copy is live. `expecting` is called with the number of positions to read, `progress` with the rows of each page.

    Raises `AlreadyRunning`, `BrokerAway`, and the errors of `AuthorityClient.changes`.
    """
    try:
        with locks.exclusive(replica.alias, f"bootstrap-{replica.authority}"), replica.connected():
            return _run(replica, app, from_now, pause, page_size, expecting, progress)
    except Held:
        raise AlreadyRunning(
            f"A bootstrap of {replica.consumer} from {replica.authority} is running. Wait for it, or stop it first."
        ) from None


def _run(
    replica: Replica,
    app: Celery,
    from_now: bool,
    pause: bool,
    page_size: int,
    expecting: Callable[[int], None],
    progress: Callable[[int], None],
) -> Bootstrapped:
    began, counting, client = time.monotonic(), _Counting(), replica.client
    registration = client.registration()
    row = replica.subscription()
    resumed = row.bootstrap_head is not None
    # A copy whose authority was unreachable is as complete as a live one. What comes after its checkpoint is news.
    live = row.state in (State.LIVE, State.UNREACHABLE)
    replica.update(owners=registration["owners"])
    if registration["queue"]:  # a consumer that only pulls has none
        _bind(app, registration["queue"])
    failpoints.reach("bootstrap.bound")
    if live and row.partial and not from_now:
        row, live = _from_the_beginning(replica), False  # it began without the past, which is wanted now
    elif not from_now and _below_floor(client, row):
        row, live = _from_the_beginning(replica), False
    if from_now and not live and not resumed:
        head = client.changes(pulls.BEYOND, limit=1).head
        replica.update(checkpoint=head, ahead=[], marks=None, head=head, partial=True)
        return _finished(replica, began, counting, resumed=False, verdict="from_now")
    if not live:
        if row.bootstrap_head is None:
            replica.update(bootstrap_head=client.changes(row.checkpoint, limit=1, floor=row.floor).head)
        replica.update(state=State.PAUSED if pause else State.BOOTSTRAPPING)
    failpoints.reach("bootstrap.begun")
    head = client.changes(pulls.BEYOND, limit=1).head
    expecting(max(0, head - row.checkpoint))
    _read(replica, head, page_size, counting, progress)
    failpoints.reach("bootstrap.read")
    verdict = _compared(replica, page_size, counting)
    if verdict != "in_sync" and not live:
        state = replica.subscription().state
        return Bootstrapped(state, counting.rows, counting.pages, _speed(began, counting), resumed, verdict)
    return _finished(replica, began, counting, resumed, verdict)


def _below_floor(client: AuthorityClient, row: Subscription) -> bool:
    """Return True if the authority purged tombstones that this copy needs but never saw."""
    try:
        client.changes(row.checkpoint, limit=1, until=row.checkpoint, floor=row.floor)
    except BelowFloor:
        return True
    return False


def _from_the_beginning(replica: Replica) -> Subscription:
    replica.client.changes(0, limit=1, until=0)  # raises if bootstrap is closed, before the checkpoint is given up
    replica.update(state=State.NEW, checkpoint=0, ahead=[], marks=None, bootstrap_head=None, partial=False)
    return replica.subscription()


def _bind(app: Celery, queue_name: str) -> None:
    sender = Sender(app, queue_name)
    try:
        sender.declare(queue_name)
    except sender.errors as error:
        raise BrokerAway(f"The broker doesn't answer, so the queue {queue_name} can't be created: {_brief(error)}") from None
    finally:
        sender.close()


def _read(replica: Replica, head: int, page_size: int, counting: _Counting, progress: Callable[[int], None]) -> None:
    """Read and apply the pages up to the head."""
    for since, page, pairs in pulls.pages(replica, replica.subscription(), page_size=page_size, until=head):
        pulls.apply_page(replica, page, since=since, source="bootstrap", pairs=pairs)
        counting.rows, counting.pages = counting.rows + len(page.results), counting.pages + 1
        progress(len(page.results))


def _compared(replica: Replica, page_size: int, counting: _Counting) -> str:
    """Pull later changes and compare, until both sides are equal. Only a difference that stays counts."""

    def pull() -> None:
        counting.rows += pulls.catch_up(replica, source="bootstrap", page_size=page_size).rows

    verdict = ""
    for _ in range(COMPARISONS):
        pull()
        found = compare.compare(replica)
        verdict = found.verdict
        if verdict == "drift" and _were_under_way(replica, found, pull):
            verdict = "in_sync"
        if verdict == "in_sync":
            break
    return verdict


def _were_under_way(replica: Replica, found: compare.Comparison, pull: Callable[[], None]) -> bool:
    """Return True if pulls alone bring every row that differed. A busy authority always has changes on their way.

    One pull isn't enough: a row that changes again while the pull reads the end of the feed only comes with the next one. Where
    deleted rows leave a copy (`Feed.keeps_gone` is False), a ghost may be a row whose deletion was on its way.
    """
    waiting = found.rows
    if found.differing != len(waiting) or any(row["kind"] not in ("missing", "stale", "ghost") for row in waiting):
        return False
    for _ in range(PULLS):
        pull()
        waiting = _not_yet(replica, waiting)
        if not waiting:
            return True
    return False


def _not_yet(replica: Replica, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the differing rows that the copy still lacks, or still has to remove."""
    cache, client = replica.cache, replica.client
    kept = cache.model._base_manager.using(replica.alias).filter(pk__in=[row["id"] for row in rows])
    have = {str(key): version for key, version in kept.values_list("pk", cache.version)}
    absent = [row["id"] for row in rows if row["id"] not in have]
    there = {
        record["id"] for start in range(0, len(absent), MOST_IDS) for record in client.records(absent[start : start + MOST_IDS])
    }

    def is_late(row: dict[str, Any]) -> bool:
        if row["id"] not in have:
            return row["id"] in there
        return row["kind"] == "ghost" or bool(have[row["id"]] < row["authority"]["version"])

    return [row for row in rows if is_late(row)]


def _finished(replica: Replica, began: float, counting: _Counting, resumed: bool, verdict: str) -> Bootstrapped:
    if verdict != "drift":
        replica.go_live(bootstrap_head=None)
        failpoints.reach("bootstrap.live")
        pulls.report(replica)  # this closes the grant
    state = replica.subscription().state
    return Bootstrapped(state, counting.rows, counting.pages, _speed(began, counting), resumed, verdict)


def _speed(began: float, counting: _Counting) -> int:
    return round(counting.rows / max(time.monotonic() - began, 0.001))


def _brief(error: BaseException) -> str:
    return said(error)[:200] if isinstance(error, BrokerError | OSError) else kind(error)
