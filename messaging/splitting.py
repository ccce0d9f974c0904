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
from django.db import OperationalError

from messaging import bootstrap, conf, locking, ownership, pulling, registry, sequencer, states, steps
from messaging.client import Authority
from messaging.errors import MessagingError
from messaging.following import NotYet
from messaging.models import Ownership, Subscription
from messaging.splits import NoSplit, Side, Split, began, owner, retired, row, split_of, standing

__all__ = [
    "Differs",
    "Loaded",
    "NoSplit",
    "NotReady",
    "PauseTooShort",
    "Side",
    "Split",
    "begin",
    "cancel",
    "exclusive",
    "flip",
    "forget",
    "load",
    "owner",
    "recover",
    "retire",
    "split_of",
    "standing",
]

TOKEN_TTL = timedelta(days=365)
#: How often a load waits for rows of another feed that its own rows refer to, and how long each time, in seconds.
TRIES, WAIT = 20, 0.5


class NotReady(MessagingError):
    """A step was asked for whose turn it isn't. The message says what comes first."""


class PauseTooShort(MessagingError):
    """The pause was over before both sides were equal. The owner is who it was, and its writers went on."""


class Differs(MessagingError):
    """The two sides don't hold the same. The owner is who it was."""


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
def exclusive(split: Split) -> Iterator[None]:
    """One mover at a time; raises `NotReady`."""
    try:
        with locking.exclusive(split.new.context, f"split-{split.new.context}"):
            yield
    except locking.Held:
        raise NotReady(f"Another split of {split.new.context} is running. Wait for it, or stop it first.") from None


def begin(split: Split) -> None:
    """Guard both tables, with the old context as the owner. What was begun stays as it is. Raises `NotReady` after a retirement."""
    if retired(split):
        raise NotReady(f"{split.new.context} is split for good: {split.old.context} was retired.")
    ownership.guard(split.new.guard, split.old.context)
    ownership.guard(split.old.guard, split.old.context)
    steps.reach("split.guarded")


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
    page_size: int = pulling.PAGE,
    expecting: Callable[[int], None] = lambda rows: None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Loaded:
    """Bring whoever doesn't own the rows up to date, and compare. Goes on where an earlier one was killed; safe to repeat."""
    owning = owner(split)
    if owning is None:
        raise NotReady(f"{split.new.context} wasn't split yet: split {split.new.context}")
    follower = split.other(owning)
    register(owning, follower)
    done = _loaded(owning, follower, app, page_size, expecting, progress)
    ownership.note_verdict(follower.guard, done.verdict)
    steps.reach("split.loaded")
    return Loaded(owning.context, follower.context, done.verdict, done.rows, done.rows_per_second, done.resumed, began(follower))


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
                follower.context, owning.feed, app, page_size=page_size, expecting=expecting, progress=progress
            )
        except NotYet:
            if number == TRIES - 1:
                raise
            follow_others(follower.context, owning.feed)
            time.sleep(WAIT)
    raise AssertionError("unreachable")


def follow_others(consumer: str, feed: str) -> None:
    """Catch up with the other feeds that this context follows: rows of this one refer to theirs."""
    for name, cache in conf.caches(consumer).items():
        if name != feed and cache.follows and ownership.follows(consumer, cache.model._meta.label_lower):
            pulling.catch_up(consumer, name, source="follow")


def register(owning: Side, follower: Side) -> None:
    """Enter the follower with the owner, give it a token, and let it read from the beginning until it is live once."""
    registry.register_follower(authority=owning.context, name=follower.context, feed=owning.feed, fields=follower.cache.fields)
    registry.ensure_token(consumer=follower.context, authority=owning.context, ttl=TOKEN_TTL)
    place = Subscription.objects.using(follower.context).filter(pk=owning.feed).first()
    if place is None or place.state != Subscription.State.LIVE:
        registry.open_bootstrap(authority=owning.context, name=follower.context, ttl=None)


def flip(split: Split, receiver: Side, app: Celery, *, longest: timedelta, page_size: int = pulling.PAGE) -> int:
    """Hand the rows over to `receiver`, which has been following them; returns for how many milliseconds writers were held. Then
    `load` lets the giver follow.

    Raises `NotReady`, `PauseTooShort` and `Differs`; then the owner is who it was, and nobody is held any more.
    """
    giver = split.other(receiver)
    place = Subscription.objects.using(receiver.context).filter(pk=giver.feed).first()
    if place is None or place.state != Subscription.State.LIVE:
        load(split, app, page_size=page_size)
    since = sequencer.head(giver.context)
    before = load(split, app, page_size=page_size)  # all that can be done without holding anybody
    if before.verdict != "in_sync":
        raise Differs(_differs(receiver, giver))
    register(receiver, giver)  # what can fail should fail before anybody is held
    return _hand_over(giver, receiver, longest, since)


def _hand_over(giver: Side, receiver: Side, longest: timedelta, since: int) -> int:
    client = Authority(giver.feed, receiver.context)
    started = time.monotonic()
    too_long = f"{giver.context}'s writers were let go after {longest.total_seconds():g} s"
    try:
        ownership.pause(giver.guard, longest)
    except OperationalError as error:
        raise PauseTooShort(
            f"Writers in flight at {giver.context} took longer than {longest.total_seconds():g} s: {error}"
        ) from None
    try:
        pulling.catch_up(receiver.context, giver.feed, source="follow", client=client)
        steps.reach("split.caught_up")
        if not _same(giver, receiver, client, since):
            raise Differs(_differs(receiver, giver))
        if not ownership.take(giver.guard):
            raise PauseTooShort(f"Both sides weren't equal in time: {too_long}. Nothing has changed.")
    except BaseException:
        ownership.lift(giver.guard)
        raise
    finally:
        client.close()
    ownership.give(receiver.guard)
    held = round((time.monotonic() - started) * 1000)
    ownership.settle(giver.guard)
    _rest(receiver, giver)
    return held


def _same(giver: Side, receiver: Side, client: Authority, since: int) -> bool:
    """Whether both sides hold the same of all that changed since they were compared as a whole. All the rest was equal then, and a
    guard has kept everybody off the copy. So the pause lasts as long as the last moment's changes take, whatever the table's size:
    fingerprints of a million rows are seconds that nobody should be held for."""
    feed = conf.feed(giver.feed)
    while True:
        page = client.changes(since, limit=pulling.PAGE)
        own = states.own_rows(receiver.context, receiver.cache, [record["id"] for record in page.results])
        for record in page.results:
            gone = record["deleted"] and feed is not None and not feed.keeps_gone
            wanted = None if gone else states.values_of(receiver.cache, record)
            key = record["id"]
            if states.state_of(receiver.cache, key, own.get(key)) != states.state_of(receiver.cache, key, wanted):
                return False
        if page.next >= page.head:
            return True
        since = page.next


def _rest(receiver: Side, giver: Side) -> None:
    """The receiver follows nobody any more. Its place in the giver's feed stays, for the way back."""
    state = Subscription.State
    Subscription.objects.using(receiver.context).filter(pk=giver.feed).update(state=state.PAUSED, behind_since=None)


def _differs(follower: Side, owning: Side) -> str:
    what = f"reconcile {follower.context} --from {owning.feed}"
    return f"{follower.context} doesn't hold what {owning.context} does, so {owning.context} stays the owner. What differs: {what}"


def cancel(split: Split) -> None:
    """End a split that wasn't flipped: no guards, nobody follows. What was copied stays where it is. Raises `NotReady`."""
    if owner(split) is not split.old:
        raise NotReady(f"{split.new.context} owns the rows. Give them back first: split {split.new.context} --back")
    forget(split)


def retire(split: Split) -> None:
    """End a split for good: the new context is the owner without a guard, and nobody follows it. The old context's table stays as
    it is, and its guard stays with it: a write there would be lost. Raises `NotReady`."""
    if owner(split) is not split.new:
        raise NotReady(f"{split.old.context} owns the rows. First: split {split.new.context} --flip")
    registry.revoke_consumer(authority=split.new.context, name=split.old.context)
    registry.revoke_consumer(authority=split.old.context, name=split.new.context)
    for side in (split.old, split.new):
        Subscription.objects.using(side.context).filter(pk=split.other(side).feed).delete()
    ownership.unguard(split.new.guard)


def forget(split: Split) -> None:
    """As if there had never been a split: guards, register entries and places in the feeds are gone, rows stay. For `cancel`, and
    for whoever sets a stage up anew."""
    for side in (split.old, split.new):
        other = split.other(side)
        registry.revoke_consumer(authority=side.context, name=other.context)
        Subscription.objects.using(side.context).filter(pk=other.feed).delete()
    for side in (split.new, split.old):
        ownership.unguard(side.guard)
