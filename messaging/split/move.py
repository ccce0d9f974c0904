"""A split moves a model's rows from one context into another during live writes, and back if necessary.

The new context follows the old one's feed until it has every row. The flip pauses the old one's writers, lets the new one catch up,
compares both, and changes the owner. From then on the old context follows the new one, so its readers still work, and flipping back
works the same. Every step is one transaction in one database, so after a crash the next run continues from the last step.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from celery import Celery

from messaging import failpoints
from messaging.consumer.cache import declared_caches
from messaging.database import lock_waits, locks
from messaging.errors import Differs, Held, NoSplit, NotReady, NotYet
from messaging.ledger import ledger, sequencer
from messaging.models import Ownership, Subscription
from messaging.ownership import ownership
from messaging.publisher import consumers
from messaging.replica import bootstrap, pull
from messaging.replica.replica import Replica
from messaging.split.declaration import Side, Split, owner, retired, row, rows_without_version, split_of, standing
from messaging.split.flip import differs, hand_over

__all__ = [
    "Loaded",
    "NoSplit",
    "Side",
    "Split",
    "begin",
    "cancel",
    "flip",
    "forget",
    "load",
    "one_mover",
    "owner",
    "recover",
    "retire",
    "split_of",
    "standing",
]

TOKEN_TTL = timedelta(days=365)
#: How often a load waits for rows of another feed that its rows refer to, and the seconds of each wait.
TRIES, WAIT_SECONDS = 20, 0.5


@dataclass(frozen=True)
class Loaded:
    """The result of `load`."""

    owner: str  #: a context
    follower: str  #: the other context
    verdict: str  #: of the comparison at the end: "in_sync", "drift" or "unreachable"
    rows: int  #: the number of rows that were read
    rows_per_second: int
    resumed: bool  #: it continued an earlier load
    began: int  #: the follower's rows that aren't copies, because they were created there


@contextmanager
def one_mover(split: Split) -> Iterator[None]:
    """Hold the lease of a split, so that no other command works on it. Raises `NotReady` if another one does."""
    try:
        with locks.exclusive(split.new.using, f"split-{split.new.context}"):
            yield
    except Held:
        raise NotReady(f"Another split of {split.new.context} is running. Wait for it, or stop it first.") from None


def begin(split: Split, say: lock_waits.Say = lock_waits.silent) -> None:
    """Install the guards on both tables, with the old context as the owner. A split that has begun stays as it is.

    `say` is called with a sentence when other transactions use a table. Raises `NotReady` if the old context was retired, and
    `TableBusy`.
    """
    if retired(split):
        raise NotReady(f"The split of {split.new.context} is over: {split.old.context} was retired.")
    ownership.guard(split.new.guard, split.old.context, say)
    ownership.guard(split.old.guard, split.old.context, say)
    failpoints.reach("split.guarded")


def recover(split: Split) -> str:
    """Finish or undo a hand-over that was killed. Returns a sentence about it, or "" if there was none."""
    old, new = row(split.old), row(split.new)
    if old is None or new is None:
        return ""
    for side, mine, theirs in ((split.old, old, new), (split.new, new, old)):
        if mine.state != Ownership.State.MOVING:
            continue
        if mine.owner == side.context:  # the ownership wasn't taken yet
            ownership.lift(side.guard)
            return f"An earlier write pause of {side.context} was ended."
        if theirs.owner != mine.owner:
            ownership.give(split.other(side).guard)
        ownership.settle(side.guard)
        return f"An earlier hand-over to {mine.owner} was finished."
    return ""


def load(
    split: Split,
    app: Celery,
    *,
    page_size: int = pull.PAGE_ROWS,
    expecting: Callable[[int], None] = lambda rows: None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Loaded:
    """Bring the follower up to date, and compare both sides. Resumes where an earlier load was killed; safe to repeat. Raises
    `NotReady` if the split hasn't begun.

    The follower's rows get their positions as they arrive. Otherwise the first read of its feed, after a flip, would stamp all of
    them (measured with 500,000 rows: longer than a request may take).

    Parameters
    ----------
    expecting
        Called once with the number of positions to read.
    progress
        Called after each page with its number of rows.
    """
    owning = owner(split)
    if owning is None:
        raise NotReady(f"The split of {split.new.context} hasn't begun. First: manage.py split {split.new.context}")
    follower = split.other(owning)
    owning.cache.owned()
    register_with_owner(owning, follower)

    def arrived(rows: int) -> None:
        sequencer.stamp_pending(follower.using)
        progress(rows)

    done = _loaded(owning, follower, app, page_size, expecting, arrived)
    ownership.note_verdict(follower.guard, done.verdict)
    failpoints.reach("split.loaded")
    return Loaded(
        owning.context,
        follower.context,
        done.verdict,
        done.rows,
        done.rows_per_second,
        done.resumed,
        rows_without_version(follower),
    )


def _loaded(
    owning: Side,
    follower: Side,
    app: Celery,
    page_size: int,
    expecting: Callable[[int], None],
    progress: Callable[[int], None],
) -> bootstrap.Bootstrapped:
    for number in range(TRIES):
        try:
            return bootstrap.bootstrap(
                Replica.of(follower.context, owning.feed), app, page_size=page_size, expecting=expecting, progress=progress
            )
        except NotYet:
            if number == TRIES - 1:
                raise
            follow_others(follower, owning.feed)
            time.sleep(WAIT_SECONDS)
    raise AssertionError("unreachable")


def follow_others(follower: Side, feed: str) -> None:
    """Catch up with the other feeds that this context follows, because this feed's rows refer to theirs."""
    for name, cache in declared_caches(follower.context).items():
        if name != feed and cache.follows and ownership.follows(follower.using, ledger.aggregate_of(cache.model)):
            pull.catch_up(Replica.of(follower.context, name), source="follow")


def register_with_owner(owning: Side, follower: Side) -> None:
    """Register the follower with the owner, give it a token, and open its bootstrap if it isn't live."""
    consumers.register_follower(authority=owning.context, name=follower.context, feed=owning.feed, fields=follower.cache.fields)
    consumers.ensure_token(consumer=follower.context, authority=owning.context, ttl=TOKEN_TTL)
    place = Subscription.objects.of(follower.using).filter(authority=owning.feed).first()
    if place is None or place.state != Subscription.State.LIVE:
        consumers.open_bootstrap(authority=owning.context, name=follower.context, ttl=None)


def flip(split: Split, receiver: Side, app: Celery, *, longest: timedelta, page_size: int = pull.PAGE_ROWS) -> int:
    """Hand the rows over to `receiver`, the follower, in a write pause of at most `longest`. Returns the pause's milliseconds. Call
    `load` afterwards, so that the giver follows.

    Raises
    ------
    NotReady, PauseTooShort, Differs
        The hand-over isn't possible now. The owner stays, and its writers continue.
    """
    giver = split.other(receiver)
    place = Subscription.objects.of(receiver.using).filter(authority=giver.feed).first()
    if place is None or place.state != Subscription.State.LIVE:
        load(split, app, page_size=page_size)
    since = sequencer.head(giver.using)
    before = load(split, app, page_size=page_size)  # as much as possible before the pause
    if before.verdict == "unreachable":
        raise NotReady(
            f"{giver.context} and {receiver.context} can't be compared: no answer from {giver.context}. It stays the owner."
        )
    if before.verdict != "in_sync":
        raise Differs(differs(receiver, giver))
    register_with_owner(receiver, giver)  # before the pause, because it may fail
    return hand_over(giver, receiver, longest, since)


def cancel(split: Split) -> None:
    """End a split that wasn't flipped: remove the guards, and let neither side follow. Copied rows stay. Resumes where an earlier
    cancel was killed. Raises `NotReady`."""
    there = [found for found in (row(split.old), row(split.new)) if found]
    if not there:
        raise NotReady(f"{split.new.context} isn't split: there is nothing to cancel.")
    if retired(split):
        raise NotReady(f"The split of {split.new.context} is over: {split.old.context} was retired.")
    if any(found.owner != split.old.context for found in there):
        raise NotReady(f"{split.new.context} owns the rows. Give them back first: manage.py split {split.new.context} --back")
    forget(split)


def retire(split: Split) -> None:
    """End a split for good: the new context owns the rows without a guard, and the old one no longer follows. The old table stays
    as it is, with its guard, because writes to it would be lost. Raises `NotReady`."""
    if owner(split) is not split.new:
        raise NotReady(f"{split.old.context} owns the rows. First: manage.py split {split.new.context} --flip")
    consumers.revoke_consumer(authority=split.new.context, name=split.old.context)
    consumers.revoke_consumer(authority=split.old.context, name=split.new.context)
    for side in (split.old, split.new):
        Subscription.objects.of(side.using).filter(authority=split.other(side).feed).delete()
    ownership.unguard(split.new.guard)


def forget(split: Split) -> None:
    """Remove a split's guards, register entries and checkpoints. The rows stay. For `cancel`, and to reset a demo."""
    for side in (split.old, split.new):
        other = split.other(side)
        consumers.revoke_consumer(authority=side.context, name=other.context)
        Subscription.objects.of(side.using).filter(authority=other.feed).delete()
    for side in (split.new, split.old):
        ownership.unguard(side.guard)
