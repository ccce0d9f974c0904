"""The hand-over of a split's rows: hold the owner's writers, let the other side catch up, compare, take the rows here and give them
there. While it lasts nobody writes; so it does nothing that could have been done before."""

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

#: Seconds between two looks for a change that a lock keeps from getting its position.
LOOK_SECONDS = 0.02
#: Seconds that giving may wait at least, however short the rest of the pause is.
SHORTEST_SECONDS = 1.0


def hand_over(giver: Side, receiver: Side, longest: timedelta, since: int) -> int:
    """Make `receiver` the owner; returns for how many milliseconds writers were held. `since`: the giver's head when both sides
    were last compared as a whole. Raises `PauseTooShort` and `Differs`."""
    replica = Replica.of(receiver.context, giver.feed)
    started = time.monotonic()
    ends = started + longest.total_seconds()
    too_long = f"{giver.context}'s writers were let go after {longest.total_seconds():g} s"
    try:
        ownership.pause(giver.guard, longest)
    except OperationalError as error:
        raise PauseTooShort(
            f"Writers in flight at {giver.context} took longer than {longest.total_seconds():g} s: {error}"
        ) from None
    try:
        if not _stamped(giver, until=ends):
            raise PauseTooShort(
                f"A transaction at {giver.context} keeps a change out of the feed; {too_long}. Nothing has changed."
            )
        with replica.connected():
            pull.catch_up(replica, source="follow")
            failpoints.reach("split.caught_up")
            if not _same(giver, replica, since):
                raise Differs(differs(receiver, giver))
        if not ownership.take(giver.guard):
            raise PauseTooShort(
                f"Both sides weren't equal in time: {too_long}. Nothing has changed.",
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
    """Wait until every change of the rows is in the giver's feed; False where the pause is over before.

    The pause has seen the writers out, so no more of them come. But who locks a ledger entry without writing its row (`republish`,
    `purge`) isn't a writer; and the sequencer passes over what is locked, though its change was committed long ago.
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
    """Whether both sides hold the same of all that changed since they were compared as a whole. All the rest was equal then, and a
    guard has kept everybody off the copy. So the pause lasts as long as the last moment's changes take, whatever the table's size:
    fingerprints of a million rows are seconds that nobody should be held for."""
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
    """Give what was taken. Where a transaction keeps the receiver's row locked for longer, nothing was given for certain, and the
    rows go back: nobody could write them until that transaction ends. Raises `PauseTooShort` then."""
    try:
        ownership.give(receiver.guard, seconds)
    except OperationalError as error:
        if not errors.gave_up_waiting(error):
            raise  # the connection broke, say: the other side may be the owner by now. `recover` looks
        ownership.take_back(giver.guard)
        raise PauseTooShort(
            f"A transaction at {receiver.context} keeps the hand-over waiting. {giver.context} stays the owner: see who it is "
            "(pg_stat_activity), and try again."
        ) from error


def _rest(receiver: Side, giver: Side) -> None:
    """The receiver follows nobody any more. Its place in the giver's feed stays, for the way back."""
    state = Subscription.State
    Subscription.objects.using(receiver.using).filter(pk=giver.feed).update(state=state.PAUSED, behind_since=None)


def differs(follower: Side, owning: Side) -> str:
    what = f"reconcile {follower.context} --from {owning.feed}"
    return f"{follower.context} doesn't hold what {owning.context} does, so {owning.context} stays the owner. What differs: {what}"
