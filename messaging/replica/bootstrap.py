"""Bootstrap: a new copy is filled from the authority's feed, beside live events.

In this order: the register is asked, the queue is there, the head H is read, then the pages up to H, then what changed since; at
last fingerprints are compared, and only where they are equal the copy is live. Each page commits with the checkpoint, so a
bootstrap that was killed goes on behind its last page, and one that is done has nothing left to do.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError as BrokerError

from messaging import failpoints
from messaging.consumer.cache import Cache
from messaging.database import locks
from messaging.errors import AlreadyRunning, BelowFloor, BrokerAway, Held
from messaging.events.text import kind, said
from messaging.models import Subscription
from messaging.replica import compare
from messaging.replica import pull as pulls
from messaging.replica.client import AuthorityClient
from messaging.replica.search import MOST_IDS
from messaging.transport.sender import Sender

State = Subscription.State
#: Comparisons before a difference counts; between them what changed meanwhile is pulled.
COMPARISONS = 3
#: Pulls after one, until what had differed is there.
PULLS = 5


@dataclass(frozen=True)
class Bootstrapped:
    """What came of it. `verdict`: in_sync, drift, or from_now (nothing was compared)."""

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
    consumer: str,
    authority: str,
    app: Celery,
    *,
    from_now: bool = False,
    pause: bool = False,
    page_size: int = pulls.PAGE_ROWS,
    expecting: Callable[[int], None] = lambda rows: None,
    progress: Callable[[int], None] = lambda done: None,
) -> Bootstrapped:
    """Fill a consumer's copy of an authority's facts; see the module. Safe to repeat, and to kill.

    `from_now`: start at the head with an empty copy; a lookup fills it on a miss. `pause`: the worker leaves its queue alone until
    the copy is live. `expecting` is told how many positions lie ahead, `progress` the rows of each page.

    Raises `AlreadyRunning`, `BrokerAway`, and what `client` and `pull` raise.
    """
    cache = pulls.cache_of(consumer, authority)
    try:
        with locks.exclusive(consumer, f"bootstrap-{authority}"):
            client = AuthorityClient(authority, consumer)
            try:
                return _run(consumer, authority, app, cache, client, from_now, pause, page_size, expecting, progress)
            finally:
                client.close()
    except Held:
        raise AlreadyRunning(f"A bootstrap of {consumer} from {authority} is running. Wait for it, or stop it first.") from None


def _run(
    consumer: str,
    authority: str,
    app: Celery,
    cache: Cache,
    client: AuthorityClient,
    from_now: bool,
    pause: bool,
    page_size: int,
    expecting: Callable[[int], None],
    progress: Callable[[int], None],
) -> Bootstrapped:
    began, counting = time.monotonic(), _Counting()
    registration = client.registration()
    row = pulls.subscribed(consumer, authority)
    resumed = row.bootstrap_head is not None
    live = row.state == State.LIVE
    _update(consumer, authority, owners=registration["owners"])
    if registration["queue"]:  # who only follows the feed has none
        _bind(app, registration["queue"])
    failpoints.reach("bootstrap.bound")
    if live and row.partial and not from_now:
        row, live = _from_the_beginning(consumer, authority, client), False  # what it left out is wanted now
    elif not from_now and _below_floor(client, row):
        row, live = _from_the_beginning(consumer, authority, client), False
    if from_now and not live and not resumed:
        head = client.changes(pulls.BEYOND, limit=1).head
        _update(consumer, authority, checkpoint=head, ahead=[], marks=None, head=head, partial=True)
        return _finished(consumer, authority, client, began, counting, resumed=False, verdict="from_now")
    if not live:
        if row.bootstrap_head is None:
            _update(consumer, authority, bootstrap_head=client.changes(row.checkpoint, limit=1, floor=row.floor).head)
        _update(consumer, authority, state=State.PAUSED if pause else State.BOOTSTRAPPING)
    failpoints.reach("bootstrap.begun")
    head = client.changes(pulls.BEYOND, limit=1).head
    expecting(max(0, head - row.checkpoint))
    _read(consumer, authority, cache, client, head, page_size, counting, progress)
    failpoints.reach("bootstrap.read")
    verdict = _compared(consumer, authority, client, page_size, counting)
    if verdict != "in_sync" and not live:
        state = pulls.subscribed(consumer, authority).state
        return Bootstrapped(state, counting.rows, counting.pages, _speed(began, counting), resumed, verdict)
    return _finished(consumer, authority, client, began, counting, resumed, verdict)


def _below_floor(client: AuthorityClient, row: Subscription) -> bool:
    """Whether tombstones that this copy never saw, and would have to know, are gone."""
    try:
        client.changes(row.checkpoint, limit=1, until=row.checkpoint, floor=row.floor)
    except BelowFloor:
        return True
    return False


def _from_the_beginning(consumer: str, authority: str, client: AuthorityClient) -> Subscription:
    client.changes(0, limit=1, until=0)  # refused, where bootstrap is closed, before anything is given up
    _update(consumer, authority, state=State.NEW, checkpoint=0, ahead=[], marks=None, bootstrap_head=None, partial=False)
    return pulls.subscribed(consumer, authority)


def _bind(app: Celery, queue_name: str) -> None:
    sender = Sender(app, queue_name)
    try:
        sender.declare(queue_name)
    except sender.errors as error:
        raise BrokerAway(f"The broker doesn't answer, so {queue_name}'s queue can't be made: {_brief(error)}") from None
    finally:
        sender.close()


def _read(
    consumer: str,
    authority: str,
    cache: Cache,
    client: AuthorityClient,
    head: int,
    page_size: int,
    counting: _Counting,
    progress: Callable[[int], None],
) -> None:
    """Pages up to the head."""
    row = pulls.subscribed(consumer, authority)
    for since, page, pairs in pulls.pages(client, cache, row, page_size=page_size, until=head):
        pulls.apply_page(consumer, authority, cache, page, since=since, source="bootstrap", pairs=pairs)
        counting.rows, counting.pages = counting.rows + len(page.results), counting.pages + 1
        progress(len(page.results))


def _compared(consumer: str, authority: str, client: AuthorityClient, page_size: int, counting: _Counting) -> str:
    """Pull what changed meanwhile and compare, until equal; a difference has to stay to count."""

    def pull() -> None:
        pulled = pulls.catch_up(consumer, authority, source="bootstrap", page_size=page_size, client=client)
        counting.rows += pulled.rows

    verdict = ""
    for _ in range(COMPARISONS):
        pull()
        found = compare.compare(consumer, authority, client=client)
        verdict = found.verdict
        if verdict == "drift" and _were_under_way(consumer, authority, client, found, pull):
            verdict = "in_sync"
        if verdict == "in_sync":
            break
    return verdict


def _were_under_way(
    consumer: str, authority: str, client: AuthorityClient, found: compare.Comparison, pull: Callable[[], None]
) -> bool:
    """Whether pulls alone bring everything that differed: beside a busy authority there is always something on its way. Where
    deleted rows leave a copy (`Feed.keeps_gone`), one that is nowhere any more was on its way out.

    A row that changes again while a pull reads the end of the feed isn't in it, and comes by the next. Where a comparison took
    longer than rows stay as they are, there is one such row nearly each time; so one pull isn't enough.
    """
    waiting = found.rows
    if found.differing != len(waiting) or any(row["kind"] not in ("missing", "stale", "ghost") for row in waiting):
        return False
    cache = pulls.cache_of(consumer, authority)
    for _ in range(PULLS):
        pull()
        waiting = _not_yet(consumer, cache, client, waiting)
        if not waiting:
            return True
    return False


def _not_yet(consumer: str, cache: Cache, client: AuthorityClient, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the differing rows that the copy hasn't got yet, or not got rid of."""
    kept = cache.model._base_manager.using(consumer).filter(pk__in=[row["id"] for row in rows])
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


def _finished(
    consumer: str, authority: str, client: AuthorityClient, began: float, counting: _Counting, resumed: bool, verdict: str
) -> Bootstrapped:
    if verdict != "drift":
        # Asked before it is live: the report then ends no grant that is opened from now on.
        grant = client.registration().get("grant", "")
        _update(consumer, authority, state=State.LIVE, bootstrap_head=None, grant=grant)
        failpoints.reach("bootstrap.live")
        pulls.report(consumer, authority, client=client)  # which closes the grant
    state = pulls.subscribed(consumer, authority).state
    return Bootstrapped(state, counting.rows, counting.pages, _speed(began, counting), resumed, verdict)


def _update(consumer: str, authority: str, **values: Any) -> None:
    Subscription.objects.using(consumer).filter(pk=authority).update(**values)


def _speed(began: float, counting: _Counting) -> int:
    return round(counting.rows / max(time.monotonic() - began, 0.001))


def _brief(error: BaseException) -> str:
    return said(error)[:200] if isinstance(error, BrokerError | OSError) else kind(error)
