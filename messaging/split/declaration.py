"""A split's declaration and state: the two sides, which one owns the rows, which one follows. Nothing here writes, except that
`migrate` gets a guard back that it dropped."""

from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.core.management import CommandError
from django.db import connections

from messaging import settings
from messaging.consumer.cache import Cache, declared_cache
from messaging.database.guard import Guard
from messaging.errors import NoSplit, TableBusy
from messaging.ledger import sequencer
from messaging.models import Ledger, Ownership, Subscription
from messaging.ownership import ownership
from messaging.publisher.feed import Feed, declared_feed
from messaging.replica import staleness
from messaging.settings import Alias


@dataclass(frozen=True)
class Side:
    """One of the two contexts of a split."""

    feed: str  #: the feed of its rows while it owns them
    guard: Guard
    cache: Cache  #: its rows as a copy of the other side's feed

    @property
    def context(self) -> str:
        return self.guard.own

    @property
    def using(self) -> Alias:
        return self.guard.using


@dataclass(frozen=True)
class Split:
    """The two sides of a split."""

    old: Side  #: the context that the rows come from
    new: Side  #: the context that takes them over

    def other(self, side: Side) -> Side:
        return self.new if side is self.old else self.old


def split_of(context: str) -> Split:
    """The split that `MESSAGING["SPLITS"]` declares for a context. Raises `NoSplit`."""
    filled_by = settings.splits().get(context)
    if filled_by is None:
        raise NoSplit(
            f"No split into {context} is declared. MESSAGING['SPLITS'] names: {', '.join(settings.splits()) or 'nothing'}."
        )
    source = settings.authority(filled_by)
    away = [name for name in (source, context) if name not in settings.contexts()]
    if away:
        raise NoSplit(f"A split needs both databases, but this process has no {' or '.join(away)}: run it with CONTEXTS unset.")
    feeds, caches = (
        (declared_feed(filled_by), declared_feed(context)),
        (declared_cache(context, filled_by), declared_cache(source, context)),
    )
    if not (feeds[0] and feeds[1] and caches[0] and caches[1]):
        raise NoSplit(f"A split needs feeds and caches of both sides: declare them for {filled_by} and {context} in MESSAGING.")
    return Split(
        old=Side(filled_by, _guard(feeds[0], source, context), caches[1]),
        new=Side(context, _guard(feeds[1], context, source), caches[0]),
    )


def declared(context: str, label: str) -> Split | None:
    """The split that a context's model belongs to; None if there is none in this process."""
    for name in settings.splits():
        try:
            split = split_of(name)
        except NoSplit:
            continue
        if any((side.context, side.guard.label) == (context, label) for side in (split.old, split.new)):
            return split
    return None


def _guard(feed: Feed, own: str, other: str) -> Guard:
    return Guard(feed.aggregate, feed.tracked.table, settings.context(own).alias, own, other)


def owner(split: Split) -> Side | None:
    """The side that owns the rows; None if the split hasn't begun, or stopped in the middle of a hand-over (`recover`)."""
    old, new = row(split.old), row(split.new)
    if old is None or new is None or old.owner != new.owner:
        return None
    return split.old if old.owner == split.old.context else split.new


def retired(split: Split) -> bool:
    """Return True if the split is over: the new context owns the rows, without a guard."""
    old = row(split.old)
    return old is not None and old.owner == split.new.context and row(split.new) is None


def row(side: Side) -> Ownership | None:
    return ownership.ownership(side.using, side.guard.label)


def rows_without_version(side: Side) -> int:
    rows = side.cache.model._base_manager.using(side.using)
    return int(rows.filter(**{side.cache.version: 0}).count())


def standing(split: Split) -> dict[str, Any]:
    """The state of a split: the owner, the follower, its lag, and the verdict of the last comparison."""
    owning, rows = owner(split), [row(split.old), row(split.new)]
    values: dict[str, Any] = {
        "context": split.new.context,
        "from": split.old.context,
        "owner": None,
        "state": "between",
        "follower": None,
    }
    if retired(split):
        return values | {"owner": split.new.context, "state": "retired"}
    if None in rows:
        return values | {"state": "not begun"}
    if owning is None:
        return values
    follower = split.other(owning)
    place = Subscription.objects.of(follower.using).filter(authority=owning.feed).first()
    pending = Ledger.objects.of(owning.using).filter(position__isnull=True).count()
    noted = row(follower)
    return values | {
        "owner": owning.context,
        "state": "moving" if any(one and one.state == Ownership.State.MOVING for one in rows) else "settled",
        "follower": follower.context,
        "following": place.state if place else "new",
        "lag": staleness.behind(place, sequencer.head(owning.using) + pending),
        "verdict": noted.verdict if noted else "",
        "verified_at": noted.verified_at if noted else None,
        "began": rows_without_version(follower),
    }


def guard_after_migrate(app_config: AppConfig, using: str, **kwargs: object) -> None:
    """After `migrate`: install missing guards. Django alters a SQLite table by creating a new one, which has no guard.
    Raises `CommandError` if a table is in use all the time."""
    if Ownership._meta.db_table not in connections[using].introspection.table_names():
        return
    for context in settings.splits():
        try:
            split = split_of(context)
        except NoSplit:
            continue
        for side in (split.old, split.new):
            known = row(side) if side.using == using else None
            if known is not None and app_config.label in {side.context, "messaging"}:
                try:
                    ownership.guard(side.guard, known.owner)
                except TableBusy as error:
                    raise CommandError(f"The guard of {side.guard.label} isn't installed: {error}", returncode=3) from None
