"""The hand-over of a split's rows: pause the owner's writers, let the other side catch up, compare both, change the owner. Nobody
can write meanwhile, so everything that can be done earlier is done earlier."""

import time
from datetime import timedelta

from django.db import OperationalError

from messaging import failpoints
from messaging.database import errors
from messaging.errors import Differs, PauseTooShort
from messaging.ledger import sequencer
from messaging.models import Ledger, Subscription
from messaging.ownership import ownership
from messaging.publisher.feed import declared_feed
from messaging.replica import drift, pull
from messaging.replica.replica import Replica
from messaging.split.declaration import Side

#: Seconds between two looks for a change that isn't stamped because its entry is locked.
LOOK_SECONDS = 0.02
#: The shortest time in seconds that giving may wait for a lock, even if the pause ends sooner.
SHORTEST_SECONDS = 1.0


def hand_over(giver: Side, receiver: Side, longest: timedelta, since: int) -> int:
    """Make `receiver` the owner. Returns how many milliseconds writers were paused. `since`: the giver's head at the last full
    comparison. Raises `PauseTooShort` and `Differs`."""
    replica = Replica.of(receiver.context, giver.feed)
    started = time.monotonic()
    ends = started + longest.total_seconds()
    too_long = f"the write pause ended after {longest.total_seconds():g} s"
    unchanged = f"{giver.context} stays the owner. Try again, or with a longer --max-pause."
    try:
        ownership.pause(giver.guard, longest)
    except OperationalError as error:
        raise PauseTooShort(
            f"Transactions that write to {giver.context} took longer than {longest.total_seconds():g} s ({error}). {unchanged}"
        ) from None
    try:
        if not _stamped(giver, until=ends):
            raise PauseTooShort(f"A transaction at {giver.context} keeps a change out of the feed, and {too_long}. {unchanged}")
        with replica.connected():
            pull.catch_up(replica, source="follow")
            failpoints.reach("split.caught_up")
            if not _same(giver, replica, since):
                raise Differs(differs(receiver, giver))
        if not ownership.take(giver.guard):
            raise PauseTooShort(
                f"Both sides weren't equal in time: {too_long}. {unchanged}",
            )
    except BaseException:
        ownership.lift(giver.guard)
        raise
    _give(giver, receiver, max(SHORTEST_SECONDS, ends - time.monotonic()))
    held = round((time.monotonic() - started) * 1000)
    ownership.settle(giver.guard)
    _rest(receiver, giver)
    return held


def _stamped(giver: Side, *, until: float) -> bool:
    """Wait until every change of the rows is in the giver's feed. Returns False if the pause ends first.

    The guard keeps writers out, but not `republish` and `purge`, which lock ledger entries without writing the rows. The sequencer
    skips locked entries, though their changes were committed long ago.
    """
    pending = Ledger.objects.using(giver.using).filter(aggregate=giver.guard.label, position=None)
    while True:
        sequencer.stamp_pending(giver.using)
        if not pending.exists():
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(LOOK_SECONDS)


def _same(giver: Side, replica: Replica, since: int) -> bool:
    """Return True if both sides are equal in every row that changed since the last full comparison. All other rows were equal then,
    and the guard keeps writers off the copy. So the length of the pause depends on the recent changes, not on the table's size;
    fingerprints of a million rows would take seconds."""
    feed, cache = declared_feed(giver.feed), replica.cache
    while True:
        page = replica.client.changes(since, limit=pull.PAGE_ROWS)
        own = drift.own_rows(replica.alias, cache, [record["id"] for record in page.results])
        for record in page.results:
            gone = record["deleted"] and feed is not None and not feed.keeps_gone
            wanted = None if gone else drift.values_of(cache, record)
            key = record["id"]
            if drift.state_of(cache, key, own.get(key)) != drift.state_of(cache, key, wanted):
                return False
        if page.next >= page.head:
            return True
        since = page.next


def _give(giver: Side, receiver: Side, seconds: float) -> None:
    """Make the receiver the owner. If a transaction locks its ownership's row for longer, give the ownership back to the giver, or
    nobody could write until that transaction ends. Raises `PauseTooShort` then."""
    try:
        ownership.give(receiver.guard, seconds)
    except OperationalError as error:
        if not errors.gave_up_waiting(error):
            raise  # for example a broken connection: the receiver may be the owner already. `recover` finds out
        ownership.take_back(giver.guard)
        raise PauseTooShort(
            f"A transaction at {receiver.context} blocks the hand-over, so {giver.context} stays the owner. Find it in "
            "pg_stat_activity, end it, and try again."
        ) from error


def _rest(receiver: Side, giver: Side) -> None:
    """The receiver no longer follows. Its checkpoint in the giver's feed stays, in case the split is flipped back."""
    state = Subscription.State
    Subscription.objects.of(receiver.using).filter(authority=giver.feed).update(state=state.PAUSED, behind_since=None)


def differs(follower: Side, owning: Side) -> str:
    what = f"manage.py reconcile {follower.context} --from {owning.feed}"
    return f"{follower.context} and {owning.context} differ, so {owning.context} stays the owner. To see the rows: {what}"
