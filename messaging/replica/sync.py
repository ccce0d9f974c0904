"""Keep a context's copies complete: pull gaps, read the feed while no events come, find drift.

It is a process of its own and not a Celery task, because it must work while the broker doesn't.
"""

import logging
import math
import random
import threading
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connections
from django.utils import timezone

from messaging import settings
from messaging.consumer import history, incidents
from messaging.consumer.cache import declared_caches
from messaging.database import errors, locks, outages
from messaging.errors import BelowFloor, Denied, NotFollowing, NotYet, Unreachable
from messaging.events.text import plural, said
from messaging.ledger import ledger
from messaging.models import Subscription
from messaging.ownership import ownership
from messaging.replica import compare
from messaging.replica import pull as pulls
from messaging.replica.replica import Replica

log = logging.getLogger(__name__)
State = Subscription.State

#: Seconds between two looks.
LOOK_SECONDS = 1.0
#: Seconds until a missing position counts as a gap; before, its event may be on its way.
GRACE_SECONDS = 3.0
#: Seconds without a heartbeat after which the feed is read, because the broker brings nothing.
SILENCE_SECONDS = 8.0
#: Seconds between two reports of the checkpoint to the authority, which also show that it answers.
REPORT_SECONDS = 30.0
#: Seconds between two comparisons of a doubtful copy.
DOUBTED_SECONDS = 30.0
#: Seconds until the next request to an unreachable authority: doubling from the first to the last, with jitter.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0


@dataclass
class Watch:
    """The sync process's memory of one copy."""

    replica: Replica
    #: The token that its client sends.
    token: str = ""
    reported: float = 0.0
    #: The copy was reported as live, and no bootstrap began since. An authority of an earlier release ends its latest grant at each
    #: such report, so it is sent once.
    reported_live: bool = False
    compared: float = field(default_factory=time.monotonic)
    doubted: float = -math.inf
    asked: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS
    quiet_until: float = 0.0
    arrived: deque[tuple[float, int]] = field(default_factory=deque)
    warned_new: bool = False
    warned_unfinished: bool = False
    doubt_pause: float = DOUBTED_SECONDS
    _open: ExitStack = field(default_factory=ExitStack)

    @property
    def authority(self) -> str:
        return self.replica.authority

    def connect(self) -> None:
        """Open a connection to the authority with the current token; the next call or `close` closes it."""
        self.close()
        self._open.enter_context(self.replica.connected())

    def close(self) -> None:
        self._open.close()

    def overdue(self, row: Subscription) -> int:
        """Return the highest position that had arrived `GRACE_SECONDS` ago: any gap below it is overdue.

        `behind_since` isn't enough: it starts again whenever the checkpoint moves, so a hundred gaps would take a hundred times as
        long as one.
        """
        now = time.monotonic()
        self.arrived.append((now, row.ahead[-1][1] if row.ahead else 0))
        while len(self.arrived) > 1 and now - self.arrived[1][0] >= GRACE_SECONDS:
            self.arrived.popleft()
        at, position = self.arrived[0]
        return position if now - at >= GRACE_SECONDS else 0


@dataclass
class SyncProcess:
    """Sync one context's copies: `look` checks each of them once, `run` repeats it until `stop` is set."""

    consumer: str
    #: Pull gaps; False leaves them open.
    pull: bool = True
    #: Seconds between two comparisons; 0: never.
    compare_every: float = 300.0
    stop: threading.Event = field(default_factory=threading.Event)
    #: Changes pulled since the start: gaps, changes during silence and changes of an owner. Not those that a comparison pulls.
    pulled: int = 0
    #: Comparisons since the start.
    comparisons: int = 0

    def __post_init__(self) -> None:
        self.authorities = list(declared_caches(self.consumer))
        self.using = settings.context(self.consumer).alias
        self._watches = {name: Watch(Replica.of(self.consumer, name)) for name in self.authorities}

    def run(self) -> None:
        for watch in self._watches.values():
            watch.connect()
        while not self.stop.is_set():
            self.look()
            self.stop.wait(LOOK_SECONDS)
        for watch in self._watches.values():
            watch.close()
        connections[self.using].close()

    def look(self) -> None:
        """Check each copy once. Errors don't raise: an authority or a database that doesn't answer is tried again later."""
        for watch in self._watches.values():
            if time.monotonic() < watch.quiet_until:
                continue
            try:
                self._attend(watch)
            except Exception as error:
                if errors.unusable(error):
                    self._wait(watch, error)
                    continue
                # One copy's error must not stop the others, and its next change may succeed.
                log.exception("%s: its copy of %s can't be synced now", self.consumer, watch.authority)
                self._rest(watch)
            else:
                outages.ended(log, self.consumer, _work(watch.authority))

    def _attend(self, watch: Watch) -> None:
        try:
            if watch.replica.cache.follows:
                self._follow(watch)
            else:
                self._sync(watch)
        except (NotFollowing, NotYet):
            pass  # the rows were just handed over, or a row of another feed has to come first
        except (Unreachable, Denied, BelowFloor) as error:
            self._postpone(watch, error)
        else:
            watch.pause = FIRST_PAUSE_SECONDS

    def _wait(self, watch: Watch, error: Exception) -> None:
        """Wait while the consumer's own database can't be used: nothing can be applied or noted."""
        outages.began(log, self.consumer, _work(watch.authority), said(error))
        connections[self.using].close()
        watch.quiet_until = time.monotonic() + watch.pause

    def _sync(self, watch: Watch) -> None:
        row = watch.replica.subscription()
        if row.bootstrap_head is not None or row.state in (State.NEW, State.PAUSED):
            watch.reported_live = False
        if row.bootstrap_head is not None or row.state == State.PAUSED:
            self._warn_unfinished(watch)
            return  # a bootstrap is under way, and reads the same feed
        watch.warned_unfinished = False
        now = time.monotonic()
        # A new copy waits for its bootstrap, unless events brought it everything from the first position on.
        pull = self.pull and (row.state != State.NEW or row.checkpoint > 0)
        if pull:
            self._fill(watch, row)
        if now - watch.reported >= REPORT_SECONDS or row.state in (State.NEW, State.UNREACHABLE) or history.unverified(row):
            row = self._report(watch)
        if row.doubt and now - watch.doubted >= watch.doubt_pause:
            watch.doubted = now
            self._settle(watch, row)
        if self.compare_every and now - watch.compared >= self.compare_every:
            watch.compared = now
            self.comparisons += 1
            compare.watch(watch.replica, pull=pull)

    def _warn_unfinished(self, watch: Watch) -> None:
        """Warn of an unfinished bootstrap that no process runs: it was killed, or this database was set back to a moment in it."""
        if watch.warned_unfinished or locks.held(self.using, f"bootstrap-{watch.authority}"):
            return
        row = watch.replica.subscription()
        if row.bootstrap_head is None and row.state != State.PAUSED:
            return  # it ended after the row was read, so it let go of its lock
        watch.warned_unfinished = True
        log.warning(
            "%s: a bootstrap from %s is unfinished and isn't running. Resume it: manage.py bootstrap %s --from %s",
            *(self.consumer, watch.authority, self.consumer, watch.authority),
        )

    def _follow(self, watch: Watch) -> None:
        """Read the feed of another context that owns this context's rows during a split: no events come then.

        Most of the time there is no split, which costs one query of a table with one row at most.
        """
        label = ledger.aggregate_of(watch.replica.cache.model)
        if not ownership.follows(self.using, label):
            return
        token = settings.api_token(self.consumer, watch.authority)
        if token != watch.token:  # the split began, or its token was replaced
            watch.connect()
            watch.token = token
        row = Subscription.objects.of(self.using).filter(authority=watch.authority).first()
        if not token or row is None or row.bootstrap_head is not None or row.state in (State.NEW, State.PAUSED):
            return  # the split is still loading, or was cancelled
        self.pulled += pulls.catch_up(watch.replica, source="follow").applied
        now = time.monotonic()
        if now - watch.reported >= REPORT_SECONDS or row.state == State.UNREACHABLE:
            self._report(watch)
        if self.compare_every and now - watch.compared >= self.compare_every:
            watch.compared = now
            self.comparisons += 1
            compare.watch(watch.replica)

    def _fill(self, watch: Watch, row: Subscription) -> None:
        """Pull overdue gaps; without heartbeats, pull everything after the checkpoint."""
        now, overdue = timezone.now(), watch.overdue(row)
        stuck = row.behind_since is not None and _far(row.behind_since, now, GRACE_SECONDS)
        if stuck or _gap_is_overdue(row, overdue):
            self._fill_gaps(watch, row, overdue)
        elif row.heartbeat_at is None or _far(row.heartbeat_at, now, SILENCE_SECONDS):
            # Without heartbeats the broker brings no events. The pull sets `heartbeat_at`.
            pulled = pulls.catch_up(watch.replica)
            self.pulled += pulled.applied
            if pulled.applied:
                log.warning(
                    "%s: no messages from the broker; pulled %s of %s from the feed",
                    self.consumer,
                    plural(pulled.applied, "change"),
                    watch.authority,
                )

    def _fill_gaps(self, watch: Watch, row: Subscription, overdue: int) -> None:
        """Pull the first gap and all others that are overdue, each for its own range only."""
        applied = 0
        try:
            while True:
                until = row.ahead[0][0] - 1 if row.ahead else row.head
                applied += pulls.catch_up(watch.replica, until=until).applied
                before, row = row.checkpoint, watch.replica.subscription()
                if row.checkpoint <= before or not _gap_is_overdue(row, overdue) or self.stop.is_set():
                    return
        finally:
            self.pulled += applied
            if applied:
                log.warning("%s: pulled %s of %s that hadn't arrived", self.consumer, plural(applied, "change"), watch.authority)

    def _settle(self, watch: Watch, row: Subscription) -> None:
        """Compare a doubtful copy; if both sides are equal, its doubt ends.

        While rows differ, the intervals grow: each comparison reads both sides completely.
        """
        authority = watch.authority
        log.warning("%s: its copy of %s is doubtful: %s", self.consumer, authority, row.doubt)
        self.comparisons += 1
        found = compare.compare(watch.replica)
        watch.doubt_pause = min(2 * watch.doubt_pause, max(DOUBTED_SECONDS, self.compare_every))
        if not watch.replica.subscription().doubt:
            watch.doubt_pause = DOUBTED_SECONDS
            log.info("%s: its copy of %s equals the authority's rows and is no longer doubtful", self.consumer, authority)
        if found.verdict != "drift":
            return
        incidents.drift(self.using, authority, [row["id"] for row in found.rows])
        erased = found.counts["erased_here"]
        if erased:
            log.warning(
                "%s: %s erased here but not at %s. Type here: manage.py reconcile %s --from %s --json > FILE. "
                "Then where the authority runs: manage.py erase_again %s --from FILE",
                *(self.consumer, plural(erased, "row is", "rows are"), authority, self.consumer, authority, authority),
            )
        if found.differing > erased:
            log.warning(
                "%s: %s in its copy of %s. Repair: manage.py reconcile %s --from %s --repair",
                *(
                    self.consumer,
                    plural(found.differing - erased, "row differs", "rows differ"),
                    authority,
                    self.consumer,
                    authority,
                ),
            )

    def _report(self, watch: Watch) -> Subscription:
        """Report the checkpoint. An answer shows that the authority is reachable, and makes a caught-up copy live."""
        row = pulls.report(watch.replica, say_live=not watch.reported_live)
        watch.reported = time.monotonic()
        if row.state in (State.NEW, State.UNREACHABLE) and row.checkpoint >= row.head:
            watch.replica.go_live(only_from=row.state)
            log.info("%s: its copy of %s is live", self.consumer, watch.authority)
            row = pulls.report(watch.replica, say_live=not watch.reported_live)
        watch.reported_live = watch.reported_live or row.state == State.LIVE
        if row.state == State.NEW and not watch.warned_new and row.checkpoint == 0:
            watch.warned_new = True
            log.warning(
                "%s: its copy of %s is new and lacks the earlier rows. Fill it: manage.py bootstrap %s --from %s",
                *(self.consumer, watch.authority, self.consumer, watch.authority),
            )
        return row

    def _postpone(self, watch: Watch, error: Exception) -> None:
        rows = Subscription.objects.of(self.using).filter(authority=watch.authority, state=State.LIVE)
        if rows.update(state=State.UNREACHABLE):
            log.warning("%s: %s", self.consumer, error)
        if isinstance(error, Denied):
            watch.connect()  # with the token that is set now: the one of this connection may have been replaced
        self._rest(watch)

    def _rest(self, watch: Watch) -> None:
        watch.quiet_until = time.monotonic() + watch.pause * random.uniform(0.5, 1.5)
        watch.pause = min(watch.pause * 2, LONGEST_PAUSE_SECONDS)


def _work(authority: str) -> str:
    """Name the work that a database's outage stops, as `outages` logs it."""
    return f"syncing its copy of {authority}"


def _far(moment: datetime, now: datetime, seconds: float) -> bool:
    """Return True if a time is further away than this, in either direction: a time in the future is of a clock that was wrong."""
    return abs(now - moment) > timedelta(seconds=seconds)


def _gap_is_overdue(row: Subscription, overdue: int) -> bool:
    """Return True if the first gap is overdue: the position right after it arrived long enough ago."""
    return bool(row.ahead) and row.ahead[0][0] <= overdue
