"""What keeps a copy whole while nobody looks: holes are pulled, silence is answered by the feed, drift is found.

It is a process of its own and not a Celery task: it has to work when the broker doesn't.
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
from messaging.models import Subscription
from messaging.ownership import ownership
from messaging.replica import compare
from messaging.replica import pull as pulls
from messaging.replica.replica import Replica

log = logging.getLogger(__name__)
State = Subscription.State

#: Seconds between two looks.
LOOK_SECONDS = 1.0
#: Seconds that an event may be under way before its place counts as a hole.
GRACE_SECONDS = 3.0
#: Without a heartbeat for so many seconds the events' road counts as closed, and the feed is followed instead.
SILENCE_SECONDS = 8.0
#: Seconds between two reports of the checkpoint to the authority, which are also the proof that it answers.
REPORT_SECONDS = 30.0
#: Seconds between two comparisons of a copy that is in doubt.
DOUBTED_SECONDS = 30.0
#: Seconds until an authority that didn't answer is asked again: doubling from the first to the last, with jitter.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0


@dataclass
class Watch:
    """What tending remembers of one copy. `token`: the one that its client shows. `told_live`: that the authority has heard that
    the copy is live, and no bootstrap was seen since. One of an earlier release ends its latest grant at each such report."""

    replica: Replica
    token: str = ""
    reported: float = 0.0
    told_live: bool = False
    compared: float = field(default_factory=time.monotonic)
    doubted: float = -math.inf
    asked: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS
    quiet_until: float = 0.0
    arrived: deque[tuple[float, int]] = field(default_factory=deque)
    told_new: bool = False
    told_left: bool = False
    doubt_pause: float = DOUBTED_SECONDS
    _open: ExitStack = field(default_factory=ExitStack)

    @property
    def authority(self) -> str:
        return self.replica.authority

    def connect(self) -> None:
        """Keep a connection to the authority, with the token that counts now, until the next call or `close`."""
        self.close()
        self._open.enter_context(self.replica.connected())

    def close(self) -> None:
        self._open.close()

    def overdue(self, row: Subscription) -> int:
        """The highest position that had arrived `GRACE_SECONDS` ago: what is still missing below it has had its time to come.

        `behind_since` can't tell, for it begins anew whenever the checkpoint moves: a hundred holes would take a hundred times
        as long as one.
        """
        now = time.monotonic()
        self.arrived.append((now, row.ahead[-1][1] if row.ahead else 0))
        while len(self.arrived) > 1 and now - self.arrived[1][0] >= GRACE_SECONDS:
            self.arrived.popleft()
        at, position = self.arrived[0]
        return position if now - at >= GRACE_SECONDS else 0


@dataclass
class Tending:
    """Tends one context's copies. `look` is one look at all of them, `run` goes on until `stop` is set."""

    consumer: str
    pull: bool = True
    compare_every: float = 300.0
    stop: threading.Event = field(default_factory=threading.Event)

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
        """One look. What doesn't answer is asked again later; nothing is raised for it."""
        for watch in self._watches.values():
            if time.monotonic() < watch.quiet_until:
                continue
            try:
                self._attend(watch)
            except Exception as error:
                if errors.unusable(error):
                    self._wait(watch, error)
                    continue
                # A cache that can't take what comes: the next look may bring what it can, and other copies need their looks.
                log.exception("%s: its copy of %s can't be tended now", self.consumer, watch.authority)
                self._rest(watch)
            else:
                outages.ended(log, self.consumer, _work(watch.authority))

    def _attend(self, watch: Watch) -> None:
        try:
            if watch.replica.cache.follows:
                self._follow(watch)
            else:
                self._tend(watch)
        except (NotFollowing, NotYet):
            pass  # handed over just now; or its other feed has to bring something first
        except (Unreachable, Denied, BelowFloor) as error:
            self._postpone(watch, error)
        else:
            watch.pause = FIRST_PAUSE_SECONDS

    def _wait(self, watch: Watch, error: Exception) -> None:
        """The consumer's database can't be used now: neither what is pulled nor that an authority is away can be noted."""
        outages.began(log, self.consumer, _work(watch.authority), said(error))
        connections[self.using].close()
        watch.quiet_until = time.monotonic() + watch.pause

    def _tend(self, watch: Watch) -> None:
        row = watch.replica.subscription()
        if row.bootstrap_head is not None or row.state in (State.NEW, State.PAUSED):
            watch.told_live = False
        if row.bootstrap_head is not None or row.state == State.PAUSED:
            self._left(watch)
            return  # a bootstrap is under way, and reads the same feed
        watch.told_left = False
        now = time.monotonic()
        # What is new waits for its bootstrap, unless it heard of everything from the first position on: only holes are missing.
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
            compare.watch(watch.replica, pull=pull)

    def _left(self, watch: Watch) -> None:
        """A bootstrap that nobody runs was killed; or this side was set back to a moment amid it, and nobody remembers."""
        if watch.told_left or locks.held(self.using, f"bootstrap-{watch.authority}"):
            return
        watch.told_left = True
        log.warning(
            "%s: a bootstrap from %s was begun, and nobody runs it. Type: bootstrap %s --from %s",
            *(self.consumer, watch.authority, self.consumer, watch.authority),
        )

    def _follow(self, watch: Watch) -> None:
        """A context's own rows, while another one owns them: no events come, so its feed is read at each look. Most of the time
        there is nothing to follow, and that costs a look at a table with a row or none."""
        label = watch.replica.cache.model._meta.label_lower
        if not ownership.follows(self.using, label):
            return
        token = settings.api_token(self.consumer, watch.authority)
        if token != watch.token:  # it was made when the split began, or anew
            watch.connect()
            watch.token = token
        row = Subscription.objects.using(self.using).filter(pk=watch.authority).first()
        if not token or row is None or row.bootstrap_head is not None or row.state in (State.NEW, State.PAUSED):
            return  # the split is still loading, or was given up
        pulls.catch_up(watch.replica, source="follow")
        now = time.monotonic()
        if now - watch.reported >= REPORT_SECONDS or row.state == State.UNREACHABLE:
            self._report(watch)
        if self.compare_every and now - watch.compared >= self.compare_every:
            watch.compared = now
            compare.watch(watch.replica)

    def _fill(self, watch: Watch, row: Subscription) -> None:
        """Pull the holes that nothing came for, or what is behind the checkpoint where nothing comes at all."""
        now, overdue = timezone.now(), watch.overdue(row)
        stuck = row.behind_since is not None and _far(row.behind_since, now, GRACE_SECONDS)
        if stuck or _hole(row, overdue):
            self._fill_holes(watch, row, overdue)
        elif row.heartbeat_at is None or _far(row.heartbeat_at, now, SILENCE_SECONDS):
            # Without a heartbeat the broker brings no events either.
            pulled = pulls.catch_up(watch.replica)
            if pulled.applied:
                log.warning(
                    "%s: nothing comes by the broker; %s of %s by the feed",
                    self.consumer,
                    plural(pulled.applied, "change"),
                    watch.authority,
                )

    def _fill_holes(self, watch: Watch, row: Subscription, overdue: int) -> None:
        """The first hole, and all others that are overdue: each for just its range, for what lies between has arrived."""
        applied = 0
        try:
            while True:
                until = row.ahead[0][0] - 1 if row.ahead else row.head
                applied += pulls.catch_up(watch.replica, until=until).applied
                before, row = row.checkpoint, watch.replica.subscription()
                if row.checkpoint <= before or not _hole(row, overdue) or self.stop.is_set():
                    return
        finally:
            if applied:
                log.warning("%s: pulled %s of %s that hadn't arrived", self.consumer, plural(applied, "change"), watch.authority)

    def _settle(self, watch: Watch, row: Subscription) -> None:
        """Compare a copy that is in doubt: where both sides are equal, it is so no more. Until somebody repairs what differs, it is
        compared again at growing distances: a comparison reads both sides whole."""
        authority = watch.authority
        log.warning("%s: its copy of %s is in doubt: %s", self.consumer, authority, row.doubt)
        found = compare.compare(watch.replica)
        watch.doubt_pause = min(2 * watch.doubt_pause, max(DOUBTED_SECONDS, self.compare_every))
        if not watch.replica.subscription().doubt:
            watch.doubt_pause = DOUBTED_SECONDS
            log.info("%s: its copy of %s is as its authority has it, and in doubt no more", self.consumer, authority)
        if found.verdict != "drift":
            return
        incidents.drift(self.using, authority, [row["id"] for row in found.rows])
        erased = found.counts["erased_here"]
        if erased:
            log.warning(
                "%s: %s erased here and not at %s. Type here: reconcile %s --from %s --json > FILE. "
                "Then there: erase_again %s --from FILE",
                *(self.consumer, plural(erased, "row is", "rows are"), authority, self.consumer, authority, authority),
            )
        if found.differing > erased:
            log.warning(
                "%s: %s of its copy of %s differ. Type: reconcile %s --from %s --repair",
                *(self.consumer, plural(found.differing - erased, "row"), authority, self.consumer, authority),
            )

    def _report(self, watch: Watch) -> Subscription:
        """Tell the authority where we are; that also shows that it answers, and brings back a copy that counted as cut off."""
        row = pulls.report(watch.replica, tell_live=not watch.told_live)
        watch.reported = time.monotonic()
        if row.state in (State.NEW, State.UNREACHABLE) and row.checkpoint >= row.head:
            watch.replica.go_live(only_from=row.state)
            log.info("%s: its copy of %s is live", self.consumer, watch.authority)
            row = pulls.report(watch.replica, tell_live=not watch.told_live)
        watch.told_live = watch.told_live or row.state == State.LIVE
        if row.state == State.NEW and not watch.told_new and row.checkpoint == 0:
            watch.told_new = True
            log.warning(
                "%s: its copy of %s is new and lacks what was there before. Type: bootstrap %s --from %s",
                *(self.consumer, watch.authority, self.consumer, watch.authority),
            )
        return row

    def _postpone(self, watch: Watch, error: Exception) -> None:
        rows = Subscription.objects.using(self.using).filter(pk=watch.authority, state=State.LIVE)
        if rows.update(state=State.UNREACHABLE):
            log.warning("%s: %s", self.consumer, error)
        self._rest(watch)

    def _rest(self, watch: Watch) -> None:
        watch.quiet_until = time.monotonic() + watch.pause * random.uniform(0.5, 1.5)
        watch.pause = min(watch.pause * 2, LONGEST_PAUSE_SECONDS)


def _work(authority: str) -> str:
    """What the outage of a database stops, in the words of `outages`."""
    return f"tending its copy of {authority}"


def _far(moment: datetime, now: datetime, seconds: float) -> bool:
    """Whether a time is further away than that. One that is still to come was noted by a clock that has been set back since: waited
    for, it would keep a hole open for as long as the clock was wrong."""
    return abs(now - moment) > timedelta(seconds=seconds)


def _hole(row: Subscription, overdue: int) -> bool:
    """Whether the first hole is overdue: what lies right behind it had arrived long enough ago."""
    return bool(row.ahead) and row.ahead[0][0] <= overdue
