"""A split: a model's rows move out of one context into another, beside live writes, and back again if need be.

The new context follows the old one's feed until it has everything. The flip holds the old one's writers, lets the new one catch up,
compares both by fingerprints, and hands the rows over; from then on the old context follows the new one, so that its readers
still work and the way back is the same way. Every step is one transaction in one database, and each says where it stands; so
whoever comes next after a crash goes on from there.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from celery import Celery

from messaging import failpoints
from messaging.consumer.cache import declared_caches
from messaging.database import locks
from messaging.errors import Differs, Held, NoSplit, NotReady, NotYet
from messaging.ledger import sequencer
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
#: How often a load waits for rows of another feed that its own rows refer to, and how long each time, in seconds.
TRIES, WAIT_SECONDS = 20, 0.5


@dataclass(frozen=True)
class Loaded:
    """What a load did: the follower's rows that were read, and whether both sides are equal now. `began`: rows of the follower that
    are no copies, because they began there."""

    owner: str
    follower: str
    verdict: str
    rows: int
    rows_per_second: int
    resumed: bool
    began: int


@contextmanager
def one_mover(split: Split) -> Iterator[None]:
    """One mover at a time; raises `NotReady`."""
    try:
        with locks.exclusive(split.new.using, f"split-{split.new.context}"):
            yield
    except Held:
        raise NotReady(f"Another split of {split.new.context} is running. Wait for it, or stop it first.") from None


def begin(split: Split) -> None:
    """Guard both tables, with the old context as the owner. What was begun stays as it is. Raises `NotReady` after a retirement."""
    if retired(split):
        raise NotReady(f"{split.new.context} is split for good: {split.old.context} was retired.")
    ownership.guard(split.new.guard, split.old.context)
    ownership.guard(split.old.guard, split.old.context)
    failpoints.reach("split.guarded")


def recover(split: Split) -> str:
    """Finish what a killed mover left half done, or take it back; returns what that was, as a sentence, or ""."""
    old, new = row(split.old), row(split.new)
    if old is None or new is None:
        return ""
    for side, mine, theirs in ((split.old, old, new), (split.new, new, old)):
        if mine.state != Ownership.State.MOVING:
            continue
        if mine.owner == side.context:  # nothing was taken yet
            ownership.lift(side.guard)
            return f"An earlier pause of {side.context} was lifted."
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
    """Bring whoever doesn't own the rows up to date, and compare. Goes on where an earlier one was killed; safe to repeat.

    What arrives gets its positions at once: the first who reads the follower's feed, the giver after a flip, would have to wait for
    those of all rows (measured with 500,000: for longer than a request may take).
    """
    owning = owner(split)
    if owning is None:
        raise NotReady(f"{split.new.context} wasn't split yet: split {split.new.context}")
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
    """Catch up with the other feeds that this context follows: rows of this one refer to theirs."""
    for name, cache in declared_caches(follower.context).items():
        if name != feed and cache.follows and ownership.follows(follower.using, cache.model._meta.label_lower):
            pull.catch_up(Replica.of(follower.context, name), source="follow")


def register_with_owner(owning: Side, follower: Side) -> None:
    """Enter the follower with the owner, give it a token, and let it read from the beginning until it is live once."""
    consumers.register_follower(authority=owning.context, name=follower.context, feed=owning.feed, fields=follower.cache.fields)
    consumers.ensure_token(consumer=follower.context, authority=owning.context, ttl=TOKEN_TTL)
    place = Subscription.objects.using(follower.using).filter(pk=owning.feed).first()
    if place is None or place.state != Subscription.State.LIVE:
        consumers.open_bootstrap(authority=owning.context, name=follower.context, ttl=None)


def flip(split: Split, receiver: Side, app: Celery, *, longest: timedelta, page_size: int = pull.PAGE_ROWS) -> int:
    """Hand the rows over to `receiver`, which has been following them; returns for how many milliseconds writers were held. Then
    `load` lets the giver follow.

    Raises `NotReady`, `PauseTooShort` and `Differs`; then the owner is who it was, and nobody is held any more.
    """
    giver = split.other(receiver)
    place = Subscription.objects.using(receiver.using).filter(pk=giver.feed).first()
    if place is None or place.state != Subscription.State.LIVE:
        load(split, app, page_size=page_size)
    since = sequencer.head(giver.using)
    before = load(split, app, page_size=page_size)  # all that can be done without holding anybody
    if before.verdict == "unreachable":
        raise NotReady(f"{giver.context} and {receiver.context} can't be compared: no answer. {giver.context} stays the owner.")
    if before.verdict != "in_sync":
        raise Differs(differs(receiver, giver))
    register_with_owner(receiver, giver)  # what can fail should fail before anybody is held
    return hand_over(giver, receiver, longest, since)


def cancel(split: Split) -> None:
    """End a split that wasn't flipped: no guards, nobody follows. What was copied stays where it is. Goes on where an earlier one
    was killed between the two guards. Raises `NotReady`."""
    there = [found for found in (row(split.old), row(split.new)) if found]
    if not there:
        raise NotReady(f"{split.new.context} isn't split: there is nothing to cancel.")
    if retired(split):
        raise NotReady(f"{split.new.context} is split for good: {split.old.context} was retired.")
    if any(found.owner != split.old.context for found in there):
        raise NotReady(f"{split.new.context} owns the rows. Give them back first: split {split.new.context} --back")
    forget(split)


def retire(split: Split) -> None:
    """End a split for good: the new context is the owner without a guard, and nobody follows it. The old context's table stays as
    it is, and its guard stays with it: a write there would be lost. Raises `NotReady`."""
    if owner(split) is not split.new:
        raise NotReady(f"{split.old.context} owns the rows. First: split {split.new.context} --flip")
    consumers.revoke_consumer(authority=split.new.context, name=split.old.context)
    consumers.revoke_consumer(authority=split.old.context, name=split.new.context)
    for side in (split.old, split.new):
        Subscription.objects.using(side.using).filter(pk=split.other(side).feed).delete()
    ownership.unguard(split.new.guard)


def forget(split: Split) -> None:
    """As if there had never been a split: guards, register entries and places in the feeds are gone, rows stay. For `cancel`, and
    for whoever sets a stage up anew."""
    for side in (split.old, split.new):
        other = split.other(side)
        consumers.revoke_consumer(authority=side.context, name=other.context)
        Subscription.objects.using(side.using).filter(pk=other.feed).delete()
    for side in (split.new, split.old):
        ownership.unguard(side.guard)
