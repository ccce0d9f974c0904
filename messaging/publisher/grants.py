"""Who may read the authority's feed, and from which position: bootstrap grants.

A grant is open from the registration (or from `consumers open`) until the consumer went live, or until its time is over. Afterwards
only what changed since then is to be had. Each opening gets a random value, `Consumer.grant`. A consumer keeps it as it goes live
and sends it with its report, so a late report ends no grant that was opened since. It is no number: an authority that was set back
to a backup would give the same one twice.

How that reads from a row of the register:

- `bootstrap_open`, and `bootstrap_closes_at` empty or ahead: open;
- `bootstrap_open`, and `bootstrap_closes_at` passed: expired. Nothing wrote that down, so nobody closed it;
- not `bootstrap_open`, and `bootstrap_closes_at` empty: closed by success. The position of it may be 0: the authority was empty;
- not `bootstrap_open`, and a `bootstrap_closes_at`: closed by hand at that time, before there was a success.
"""

import secrets
from datetime import datetime, timedelta
from typing import Literal

from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from messaging.models import Consumer
from messaging.publisher import entries

#: What `may_read` refuses with; the feed's API passes it on.
BOOTSTRAP_CLOSED = "bootstrap_closed"


def open_bootstrap(*, authority: str, name: str, ttl: timedelta | None) -> Consumer:
    """Let a consumer read the feed from the beginning, for so long or (None) until it went live. Raises `NotRegistered`."""
    # Who went live while the authority was empty has no position to show for it. Its checkpoint takes that place, or a grant that
    # expires unused would take away what the consumer could read before.
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
    """End a consumer's grant. `position`: where it went live, which is its success; None: closed by hand. Raises `NotRegistered`.

    `opened`: the `grant` that a success ends; one that was opened since stays open. None, from an earlier release: any.
    Closed by hand, a consumer that went live before goes on from there; one that never did can read nothing.
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


def may_read(consumer: Consumer, since: int) -> str:
    """Whether a consumer may read what changed behind position `since`: "" or the reason why not, `BOOTSTRAP_CLOSED`."""
    if grant(consumer) == "open":
        return ""
    if not went_live(consumer) or since < consumer.bootstrapped_to:
        return BOOTSTRAP_CLOSED
    # Live since the authority was empty, so 0 is where it went on from. Once it went on, 0 is a bootstrap like everybody's.
    return BOOTSTRAP_CLOSED if since == 0 and consumer.checkpoint else ""


def grant(consumer: Consumer, now: datetime | None = None) -> Literal["open", "expired", "closed"]:
    """How a consumer's grant stands."""
    if not consumer.bootstrap_open:
        return "closed"
    ends = consumer.bootstrap_closes_at
    return "open" if ends is None or ends > (now or timezone.now()) else "expired"


def went_live(consumer: Consumer) -> bool:
    """Whether a bootstrap of this consumer ever succeeded, as far as the register knows."""
    return consumer.bootstrapped_to > 0 or (not consumer.bootstrap_open and consumer.bootstrap_closes_at is None)


def grant_in_words(consumer: Consumer) -> str:
    """A grant as a person reads it, times in UTC."""
    state, ends = grant(consumer), consumer.bootstrap_closes_at
    if state == "open":
        return f"open until {ends:%Y-%m-%d %H:%M}" if ends else "open until live"
    if state == "expired":
        return f"expired {ends:%Y-%m-%d %H:%M}"
    return f"closed, live from {consumer.bootstrapped_to}" if went_live(consumer) else "closed, never live"
