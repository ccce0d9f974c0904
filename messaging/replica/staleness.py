"""How old a consumer's copy is, and if a decision may rely on it.

The age counts from the last time at which the copy was *confirmed* to be caught up: by a heartbeat with a head that the checkpoint
had reached, or by a page of the feed that ended at the head. Without either, a copy gets older.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from messaging import settings
from messaging.events.text import plural
from messaging.models import Subscription

UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


class Policy(StrEnum):
    """What a decision does if the copy is older than it accepts."""

    #: Don't decide now.
    HOLD = "hold"
    #: Look the facts up at the authority.
    ASK = "ask"
    #: Decide on the old facts.
    PROCEED = "proceed"


def staleness(consumer: str, authority: str, now: datetime | None = None) -> timedelta | None:
    """Return the time since the copy was last confirmed to be caught up; None if it never was.

    The confirmation has the authority's clock, `now` this process's. If the authority's clock is ahead, the age counts from when
    the confirmation arrived (`checkpoints.note_confirmed`).
    """
    return age(_subscription(consumer, authority), now)


def age(row: Subscription | None, now: datetime | None = None) -> timedelta | None:
    """Return the `staleness` of a subscription row."""
    if row is None or row.confirmed_at is None:
        return None
    return max(timedelta(0), (now or timezone.now()) - row.confirmed_at)


def lag(consumer: str, authority: str) -> int | None:
    """Return the positions between the checkpoint and the last known head of the authority; None if no head is known."""
    return behind(_subscription(consumer, authority))


def behind(row: Subscription | None, head: int | None = None) -> int | None:
    """Return the `lag` of a subscription row. `head`: the authority's own, if the caller can read it."""
    known = head if head is not None else heard(row)
    return None if known is None else max(0, known - (row.checkpoint if row else 0))


def heard(row: Subscription | None) -> int | None:
    """Return the last known head of the authority; None if none arrived yet (an unused row says 0)."""
    if row is None or not (row.head or row.heartbeat_at):
        return None
    return row.head


def measured(consumer: str, authority: str) -> bool:
    """Return True if the copy's age means something: it was confirmed once, is known to be behind, or is doubtful."""
    row = _subscription(consumer, authority)
    return row is not None and (row.confirmed_at is not None or row.head > row.checkpoint or bool(row.doubt))


def doubt(consumer: str, authority: str, bound: timedelta) -> str:
    """Say why a decision that accepts a copy of age `bound` can't rely on this one; empty if it can.

    A copy that was never confirmed is too old for every bound. So is a doubtful copy: a part of it may come from a history that its
    authority no longer has.
    """
    row = _subscription(consumer, authority)
    if row is not None and row.doubt:
        return described(consumer, authority)
    old = age(row)
    if old is not None and old <= bound:
        return ""
    return f"{described(consumer, authority)} The accepted age is {span_in_words(bound)}."


def described(consumer: str, authority: str) -> str:
    """Return the copy's age and lag as a sentence."""
    row = _subscription(consumer, authority)
    if row is not None and row.doubt:
        return (
            f"The copy of {authority} is doubtful: {consumer} can't prove that it is current. {row.doubt} "
            f"Compare them: manage.py reconcile {consumer} --from {authority}."
        )
    old, missing = age(row), behind(row)
    lagging = f", and is {plural(missing, 'position')} behind" if missing else ""
    if old is None:
        return f"The age of the copy of {authority} isn't known: it was never confirmed to be caught up{lagging}."
    return f"The copy of {authority} was last confirmed to be caught up {span_in_words(old)} ago{lagging}."


def span_in_words(span: timedelta) -> str:
    """Write a span in its two largest units: "2 hours 5 minutes", "42 seconds"."""
    rest = int(span.total_seconds())
    words: list[str] = []
    for name, seconds in UNITS:
        number, rest = divmod(rest, seconds)
        if number or (name == "second" and not words):
            words.append(plural(number, name))
    return " ".join(words[:2])


def _subscription(consumer: str, authority: str) -> Subscription | None:
    return Subscription.objects.of(settings.context(consumer).alias).filter(authority=authority).first()
