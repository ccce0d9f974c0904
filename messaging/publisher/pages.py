"""The changes feed: every aggregate once, at its latest change, in the order of positions.

A reader that continues where it stopped can't miss a change: positions are stamped after commit (`sequencer`), and a read stamps
pending changes first. Catch up and bootstrap read this feed. It needs no broker and no relay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from messaging.ledger import entering, sequencer
from messaging.models import Ledger
from messaging.models import Sequence as Head
from messaging.publisher import page_sql
from messaging.publisher.feed import Feed
from messaging.settings import Alias


@dataclass(frozen=True)
class FeedPage:
    """A page of the feed."""

    head: int  #: the last position when the page was read
    next: int  #: `since` for the next page
    time: datetime  #: when it was read, by the authority's clock
    results: list[str]  #: the changes as JSON texts


def page(using: Alias, feed: Feed, *, since: int, until: int | None, limit: int, fields: Sequence[str]) -> FeedPage:
    """The changes after position `since`, up to `until` (or the head), at most `limit`, with these fields of the data. Raises
    `BeingEntered`."""
    entering.require_entered(using, feed.aggregate)
    now = timezone.now()  # before the head is read: a consumer that has everything up to the head is as fresh as this
    if _pending(using):  # checked first, because stamping takes a lock
        sequencer.stamp_pending(using)
    head = sequencer.head(using)
    end = head if until is None else min(until, head)
    found = page_sql.between(using, feed, fields, since, end, limit)
    last = found[-1][0] if len(found) == limit else None
    return FeedPage(head, last or max(since, end), now, [text for _, text in found])


def records(using: Alias, feed: Feed, *, ids: Sequence[str], fields: Sequence[str]) -> list[str]:
    """The present state of these aggregates, as in a page, without unknown ids. Raises `BeingEntered`."""
    entering.require_entered(using, feed.aggregate)
    return [text for _, text in page_sql.of(using, feed, fields, ids)]


def floor(using: Alias) -> int:
    """The position up to which tombstones may be purged."""
    return Head.objects.of(using).values_list("floor", flat=True).first() or 0


def waits(using: Alias, since: int) -> bool:
    """Return True if there are changes after `since`. Two indexed queries, for a long poll."""
    return sequencer.head(using) > since or _pending(using)


def _pending(using: Alias) -> bool:
    return Ledger.objects.of(using).filter(position__isnull=True).exists()
