"""The changes feed: every aggregate once, at its latest change, in the order of positions.

A reader that asks again from where it stopped can't pass by a change: positions are stamped after commit (`sequencer`), and a read
stamps first what is pending. The feed is the authority's side of catch up and of bootstrap; it needs no broker and no relay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from messaging.ledger import sequencer
from messaging.models import Ledger
from messaging.models import Sequence as Head
from messaging.publisher import page_sql
from messaging.publisher.feed import Feed
from messaging.settings import Alias


@dataclass(frozen=True)
class FeedPage:
    """`head`: the last position when the page was read, at `time` by the authority's clock. `next`: where to go on.
    `results`: the changes, each as JSON, as the API tells it."""

    head: int
    next: int
    time: datetime
    results: list[str]


def page(using: Alias, feed: Feed, *, since: int, until: int | None, limit: int, fields: Sequence[str]) -> FeedPage:
    """Changes behind position `since`, up to `until` (or the head), at most `limit`, with these fields of the data.

    `next` is `since` for the next page: the last position of this one, or the end of what was asked for where it is the last.
    """
    now = timezone.now()  # before the head is read: whoever has everything up to the head is as fresh as this
    if _pending(using):  # an indexed look; stamping takes a lock
        sequencer.stamp_pending(using)
    head = sequencer.head(using)
    end = head if until is None else min(until, head)
    told = page_sql.between(using, feed, fields, since, end, limit)
    last = told[-1][0] if len(told) == limit else None
    return FeedPage(head, last or max(since, end), now, [text for _, text in told])


def records(using: Alias, feed: Feed, *, ids: Sequence[str], fields: Sequence[str]) -> list[str]:
    """The present state of these aggregates, as in a page; unknown ids are left out."""
    return [text for _, text in page_sql.of(using, feed, fields, ids)]


def floor(using: Alias) -> int:
    """Tombstones up to this position may be gone."""
    return Head.objects.using(using).values_list("floor", flat=True).first() or 0


def waits(using: Alias, since: int) -> bool:
    """Whether there is anything behind `since`: two indexed looks, for a long poll."""
    return sequencer.head(using) > since or _pending(using)


def _pending(using: Alias) -> bool:
    return Ledger.objects.using(using).filter(position__isnull=True).exists()
