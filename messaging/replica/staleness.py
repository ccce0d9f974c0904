"""How old a consumer's copy may be, and what a decision does past that.

The age counts from the last moment at which the copy was *confirmed* to be caught up: by a heartbeat with a head that the
checkpoint had reached, or by a page of the feed that ended at the head. Silence confirms nothing, so it makes a copy older.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from messaging import settings
from messaging.events.text import plural
from messaging.models import Subscription

UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


class Policy(StrEnum):
    """What a decision does where the copy is older than it accepts: leave it be, ask the authority, or decide anyway."""

    HOLD = "hold"
    ASK = "ask"
    PROCEED = "proceed"


def staleness(consumer: str, authority: str, now: datetime | None = None) -> timedelta | None:
    """Time since the copy was last confirmed to be caught up; None where it never was.

    The confirmation carries the authority's clock, `now` is this process's. Where that clock is ahead it counts from when the
    confirmation was heard (`checkpoints.note_confirmed`).
    """
    return age(_subscription(consumer, authority), now)


def age(row: Subscription | None, now: datetime | None = None) -> timedelta | None:
    """`staleness` of a subscription that was read already."""
    if row is None or row.confirmed_at is None:
        return None
    return max(timedelta(0), (now or timezone.now()) - row.confirmed_at)


def lag(consumer: str, authority: str) -> int | None:
    """Positions between the checkpoint and the authority's head as last heard; None where nothing was ever heard of it."""
    return behind(_subscription(consumer, authority))


def behind(row: Subscription | None, head: int | None = None) -> int | None:
    """`lag` of a subscription that was read already. `head`: the authority's own, where it is known better than by hearsay."""
    known = head if head is not None else heard(row)
    return None if known is None else max(0, known - (row.checkpoint if row else 0))


def heard(row: Subscription | None) -> int | None:
    """The authority's head as last heard; None where it never was: 0 is also what an untouched row says."""
    if row is None or not (row.head or row.heartbeat_at):
        return None
    return row.head


def measured(consumer: str, authority: str) -> bool:
    """Whether anything is known of the copy's age: it was confirmed once, is known to be behind, or is in doubt."""
    row = _subscription(consumer, authority)
    return row is not None and (row.confirmed_at is not None or row.head > row.checkpoint or bool(row.doubt))


def doubt(consumer: str, authority: str, bound: timedelta) -> str:
    """Why a decision that accepts a copy of at most this age can't rely on this one, as a sentence; empty where it can.

    A copy that was never confirmed is too old for every bound. One in doubt can't be relied on whatever its age: part of it may be
    of a history that its authority no longer has.
    """
    row = _subscription(consumer, authority)
    if row is not None and row.doubt:
        return described(consumer, authority)
    old = age(row)
    if old is not None and old <= bound:
        return ""
    return f"{described(consumer, authority)} The accepted age is {span_in_words(bound)}."


def described(consumer: str, authority: str) -> str:
    """The copy's age and lag as a sentence."""
    row = _subscription(consumer, authority)
    if row is not None and row.doubt:
        return f"The copy of {authority} is in doubt. {row.doubt} Compare them: reconcile {consumer} --from {authority}."
    old, missing = age(row), behind(row)
    lagging = f", and is {plural(missing, 'position')} behind" if missing else ""
    if old is None:
        return f"The age of the copy of {authority} isn't known: it was never confirmed to be caught up{lagging}."
    return f"The copy of {authority} was last confirmed to be caught up {span_in_words(old)} ago{lagging}."


def span_in_words(span: timedelta) -> str:
    """The two largest units: "2 hours 5 minutes", "42 seconds"."""
    rest = int(span.total_seconds())
    words: list[str] = []
    for name, seconds in UNITS:
        number, rest = divmod(rest, seconds)
        if number or (name == "second" and not words):
            words.append(plural(number, name))
    return " ".join(words[:2])


def _subscription(consumer: str, authority: str) -> Subscription | None:
    return Subscription.objects.using(settings.context(consumer).alias).filter(pk=authority).first()
