"""Which consumer may read which feeds of an authority (`readable_feeds`), and from which position (`may_read`): bootstrap grants.
`tokens` says which consumer asks; `admitted` in `authority/service.py` and its `changes` ask here.

A grant is open from the registration (or from `consumers open`) until the consumer goes live, or until its time ends. Afterwards
the consumer can read only later changes. Each opening gets a random value, `Consumer.grant`. A consumer stores it when it goes live
and sends it with its report, so a late report doesn't close a grant that was opened since. A number would not do: an authority that
was restored from a backup would give it out twice.

A row of the register means:

- `bootstrap_open`, and `bootstrap_closes_at` empty or in the future: open;
- `bootstrap_open`, and `bootstrap_closes_at` in the past: expired;
- not `bootstrap_open`, and `bootstrap_closes_at` empty: closed by success. Its position is 0 if the authority was empty;
- not `bootstrap_open`, and a `bootstrap_closes_at`: closed by hand at that time, before any success.
"""

import secrets
from datetime import datetime, timedelta
from typing import Literal

from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from messaging.models import Consumer
from messaging.publisher import entries

#: The reason that `may_read` and the feed's API give.
BOOTSTRAP_CLOSED = "bootstrap_closed"


def open_bootstrap(*, authority: str, name: str, ttl: timedelta | None) -> Consumer:
    """Let a consumer read the feed from the beginning, for `ttl` or (None) until it is live. Raises `NotRegistered`."""
    # A consumer that went live while the authority was empty has position 0. Its checkpoint replaces that, or an unused grant that
    # expires would take away what the consumer could read before.
    went_live_at_zero = Q(bootstrap_open=False, bootstrap_closes_at__isnull=True, bootstrapped_to=0)
    return entries.change(
        authority,
        name,
        bootstrapped_to=Case(When(went_live_at_zero, then=Coalesce(F("checkpoint"), Value(0))), default=F("bootstrapped_to")),
        bootstrap_open=True,
        bootstrap_closes_at=None if ttl is None else timezone.now() + ttl,
        grant=secrets.token_hex(8),
    )


def close_bootstrap(*, authority: str, name: str, position: int | None = None, opened: str | None = None) -> Consumer:
    """Close a consumer's grant. `position`: where it went live; None: closed by hand. Raises `NotRegistered`.

    `opened`: the `grant` that a success closes, so that a newer one stays open; None, from consumers of an earlier release: any.
    Closed by hand, a consumer that was live before can still read later changes; one that never was live can read nothing.
    """
    if position is None:
        never = When(bootstrapped_to=0, then=Value(timezone.now()))
        ended = Case(When(bootstrap_open=False, then=F("bootstrap_closes_at")), never, default=Value(None))
        return entries.change(authority, name, bootstrap_open=False, bootstrap_closes_at=ended)
    reached = Greatest(F("bootstrapped_to"), Value(position))
    if opened is None:
        return entries.change(authority, name, bootstrap_open=False, bootstrap_closes_at=None, bootstrapped_to=reached)
    later = ~Q(grant=opened)
    return entries.change(
        authority,
        name,
        bootstrap_open=Case(When(later, then=F("bootstrap_open")), default=Value(False)),
        bootstrap_closes_at=Case(When(later, then=F("bootstrap_closes_at")), default=Value(None)),
        bootstrapped_to=reached,
    )


def readable_feeds(consumer: Consumer, authority: str) -> list[str]:
    """Return the names of the feeds that a consumer of an authority may read: those of its entry, or the authority's main one."""
    return consumer.feeds or [authority]


def may_read(consumer: Consumer, since: int) -> str:
    """Return "" if a consumer may read the changes after position `since`, or else the reason, `BOOTSTRAP_CLOSED`."""
    if grant(consumer) == "open":
        return ""
    if not went_live(consumer) or since < consumer.bootstrapped_to:
        return BOOTSTRAP_CLOSED
    # It went live at 0, because the authority was empty. Once it has a checkpoint, reading from 0 is a bootstrap.
    return BOOTSTRAP_CLOSED if since == 0 and consumer.checkpoint else ""


def grant(consumer: Consumer, now: datetime | None = None) -> Literal["open", "expired", "closed"]:
    """The state of a consumer's grant."""
    if not consumer.bootstrap_open:
        return "closed"
    ends = consumer.bootstrap_closes_at
    return "open" if ends is None or ends > (now or timezone.now()) else "expired"


def went_live(consumer: Consumer) -> bool:
    """Return True if the register knows of a bootstrap of this consumer that succeeded."""
    return consumer.bootstrapped_to > 0 or (not consumer.bootstrap_open and consumer.bootstrap_closes_at is None)


def grant_in_words(consumer: Consumer) -> str:
    """The state of a grant for people, with times in UTC."""
    state, ends = grant(consumer), consumer.bootstrap_closes_at
    if state == "open":
        return f"open until {ends:%Y-%m-%d %H:%M}" if ends else "open until live"
    if state == "expired":
        return f"expired {ends:%Y-%m-%d %H:%M}"
    return f"closed, live from {consumer.bootstrapped_to}" if went_live(consumer) else "closed, never live"
