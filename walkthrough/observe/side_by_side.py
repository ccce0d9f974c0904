"""The data of the page “Side by side”: users and billing's cache side by side, and the path between them.

The walkthrough may read every context. The page asks once per second, so each query is bounded, and their number doesn't grow with
the number of users.
"""

import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from billing.models import CachedUser
from billing.selectors import cached_users_by_id
from messaging.celery import app
from messaging.database.outbox_pattern import FAILED, WAITING
from messaging.ledger import ledger
from messaging.models import Parked, Subscription
from messaging.publisher import outbox
from messaging.transport import queues
from users.models import User
from users.selectors import users_by_id, users_newest

ROWS, EVENTS = 12, 10
#: Counting stops here, so that a long backlog doesn't slow the page.
MOST_COUNTED = 1000
#: Seconds for which a queue's depth is kept; longer while the broker is unreachable, because each request takes time then.
DEPTH_KEPT, DEPTH_KEPT_AWAY = 0.5, 3.0

DRIFT = {
    "": "Equal: the same version and the same content.",
    "missing": "Billing has no row for this user yet.",
    "stale": "Billing's row is older than the authority's.",
    "corrupt": "The version is the same, but the content differs.",
    "ghost": "Billing has a row of a user that the authority doesn't know.",
    "ahead": "Billing's version is higher than the authority's.",
    "erased_here": "Erased at billing, but alive at the authority: a backup brought the user back.",
}


@dataclass(frozen=True)
class Row:
    """A user, as the authority (`user`, `version`) and billing (`cache`) know them. `drift`: a key of `DRIFT`."""

    id: uuid.UUID
    user: User | None
    version: int | None
    cache: CachedUser | None
    drift: str
    age: str

    @property
    def drift_sentence(self) -> str:
        return DRIFT[self.drift]

    @property
    def short_id(self) -> str:
        return str(self.id)[:8]

    @property
    def called(self) -> str:
        """The user's name as in the table, for a sentence."""
        if self.user and self.user.name:
            return self.user.name
        return f"the {'erased' if self.user else 'unknown'} user {self.short_id}"

    @property
    def actions(self) -> list[tuple[str, str]]:
        """(name in the URL, title of the button) of each action that the status allows."""
        status = self.user.status if self.user else ""
        first = {"active": [("suspend", "Suspend")], "suspended": [("reactivate", "Reactivate")]}.get(status, [])
        return [*first, ("erase", "Erase")] if first else []


def drift(user: User | None, version: int | None, cache: CachedUser | None) -> str:
    """How billing's copy differs from the authority's row: a key of `DRIFT`, empty if it doesn't."""
    if cache is None:
        return "missing"
    if version is None:
        return "ghost"
    if user is not None and cache.status == CachedUser.Status.ERASED and user.status != User.Status.ERASED:
        return "erased_here"
    if cache.version != version:
        return "stale" if cache.version < version else "ahead"
    # A row that was deleted outside the services left only its version, as a tombstone.
    truth = (user.status, user.status_since) if user else (User.Status.ERASED.value, cache.status_since)
    return "" if (cache.status, cache.status_since) == truth else "corrupt"


def rows() -> list[Row]:
    """The newest users, and billing's newest rows of users that the authority doesn't have. Five queries."""
    users = list(users_newest(limit=ROWS))
    ids = [user.pk for user in users]
    caches = cached_users_by_id(ids=ids)
    latest = CachedUser.objects.using("billing").order_by("-received_at").exclude(user_id__in=ids)[:ROWS]
    elsewhere = {cache.user_id: cache for cache in latest}
    known = users_by_id(ids=elsewhere)
    lost = {user_id: cache for user_id, cache in elsewhere.items() if user_id not in known}
    versions = ledger.positions("users", [("users.user", str(user_id)) for user_id in (*ids, *lost)])
    now = timezone.now()

    def row(user_id: uuid.UUID, user: User | None, cache: CachedUser | None) -> Row:
        version, _ = versions.get(("users.user", str(user_id)), (None, None))
        return Row(user_id, user, version, cache, drift(user, version, cache), age(cache.received_at, now) if cache else "")

    shown = [row(user_id, None, cache) for user_id, cache in lost.items()]
    return shown + [row(user.pk, user, caches.get(user.pk)) for user in users]


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in a word or two."""
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


# --- The path: outbox, queue, inbox ---


@dataclass(frozen=True)
class Lane:
    """One direction between two contexts, with the counts of each station. `queued` is None if the broker is unreachable."""

    publisher: str
    consumer: str
    waiting: str
    failed: str
    queued: int | None
    received: int
    applied: int
    duplicate: int
    obsolete: int
    retrying: str
    parked: str


def lanes() -> list[Lane]:
    """Both directions; a handful of indexed queries each."""
    return [_lane("users", "billing"), _lane("billing", "users")]


def _lane(publisher: str, consumer: str) -> Lane:
    parked = Parked.objects.using(consumer)
    progress = Subscription.objects.using(consumer).filter(authority=publisher).first() or Subscription()
    return Lane(
        publisher=publisher,
        consumer=consumer,
        waiting=_count(outbox.rows(publisher, publisher, WAITING)),
        failed=_count(outbox.rows(publisher, publisher, FAILED)),
        queued=depth(consumer),
        received=progress.applied + progress.duplicate + progress.obsolete,
        applied=progress.applied,
        duplicate=progress.duplicate,
        obsolete=progress.obsolete,
        retrying=_count(parked.filter(state=Parked.State.RETRYING)),
        parked=_count(parked.filter(state=Parked.State.PARKED)),
    )


def _count(found: Any) -> str:
    number = found.order_by()[: MOST_COUNTED + 1].count()
    return f"{MOST_COUNTED}+" if number > MOST_COUNTED else str(number)


_depths: dict[str, tuple[float, int | None]] = {}


def depth(name: str) -> int | None:
    """Messages in a queue, read at most twice per second, however many pages are open."""
    until, known = _depths.get(name, (0.0, None))
    if time.monotonic() < until:
        return known
    try:
        known = queues.depth(app, name)
    except Exception:  # each transport raises its own errors, and the page must open without a broker
        known = None
    _depths[name] = (time.monotonic() + (DEPTH_KEPT_AWAY if known is None else DEPTH_KEPT), known)
    return known
