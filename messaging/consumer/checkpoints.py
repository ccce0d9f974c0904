"""How far a consumer has everything, and what it has beyond that.

Copies carry the position of their change. The checkpoint moves over what is contiguous; positions behind a hole are kept as ranges
until the hole is filled.
"""

from collections.abc import Container, Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from messaging.consumer import history
from messaging.consumer.cache import declared_cache
from messaging.consumer.handlers import Event
from messaging.consumer.outcome import Outcome
from messaging.errors import Paused
from messaging.models import Subscription
from messaging.settings import Alias, Context, context

#: Ranges beyond the checkpoint that are kept. What is dropped is only pulled again.
MOST_RANGES = 500


def advance_ranges(checkpoint: int, ahead: Iterable[Sequence[int]], positions: Iterable[int]) -> tuple[int, list[list[int]]]:
    """(checkpoint, ranges beyond it) after these positions were applied too. Ranges are [first, last], sorted, not touching."""
    ranges = sorted([[first, last] for first, last in ahead] + [[position, position] for position in positions])
    merged: list[list[int]] = []
    for first, last in ranges:
        if last <= checkpoint:
            continue
        if first <= checkpoint + 1 and not merged:
            checkpoint = max(checkpoint, last)
        elif merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return checkpoint, merged[:MOST_RANGES]


def highest(row: Subscription) -> int:
    """The highest position that a copy has, by its own record. What lies beyond it may still be on its way; what lies below was
    overtaken."""
    return int(max([row.checkpoint, *(last for _, last in row.ahead)]))


def note_progress(row: Subscription, *, moved: bool) -> None:
    """Keep `behind_since`: since when the checkpoint stands still although there is more. Call it before the row is saved."""
    if row.checkpoint >= row.head and not row.ahead:
        row.behind_since = None
    elif moved or row.behind_since is None:
        row.behind_since = timezone.now()


def note_confirmed(row: Subscription, at: datetime, *, late: bool = False) -> None:
    """Keep `confirmed_at`: the copy was caught up at this time of the authority's clock. `late`: the news may be older than what is
    known already.

    A clock that is ahead, or was, must not make a copy young that nobody has confirmed since: so what lies in our future counts as
    now, and what is kept gives way where it does.
    """
    now = timezone.now()
    known = row.confirmed_at
    if not late or known is None or known > now or at > known:
        row.confirmed_at = min(at, now)


def advance(consumer: Context, events: Sequence[Event], outcome: Outcome, moved: Container[str]) -> None:
    """Count the outcome and move the checkpoint, in the caller's transaction and last in it: the row's lock lets the workers of one
    queue through one after the other, and only for these two statements. `moved`: the ids of those events that changed something.
    Raises `Paused` where a bootstrap holds the queue."""
    by_source: dict[str, list[Event]] = {}
    for event in events:
        found = by_source.setdefault(event.source, [])
        if event.position is not None:
            found.append(event)
    for number, (source, placed) in enumerate(by_source.items()):
        row, positions = _locked(consumer.alias, source), [event.position for event in placed if event.position is not None]
        if row.state == Subscription.State.PAUSED:
            raise Paused(f"{consumer.name} holds its queue until its bootstrap from {source} is done.")
        before = row.checkpoint
        row.checkpoint, row.ahead = advance_ranges(before, row.ahead, positions)
        row.head = max(row.head, row.checkpoint, *(last for _, last in row.ahead[-1:]))
        note_progress(row, moved=row.checkpoint > before)
        # A late event that changed nothing adds no round: the authority may have pruned its mark.
        _adopt(consumer, row, [event for event in placed if event.id in moved or (event.position or 0) > before])
        if number == 0:
            row.applied, row.duplicate = row.applied + outcome.applied, row.duplicate + outcome.duplicate
            row.obsolete += outcome.obsolete
        row.last_event_at = timezone.now()
        row.save(using=consumer.alias, update_fields=_MOVED)


def note_late(consumer: Context, event: Event) -> None:
    """An event was applied long after it arrived: the copy has something of its round, too. In the caller's transaction."""
    row = _locked(consumer.alias, event.source)
    _adopt(consumer, row, [event])
    row.save(using=consumer.alias, update_fields=["marks", "doubt", "doubtful_since"])


def _adopt(consumer: Context, row: Subscription, events: Sequence[Event]) -> None:
    """Who keeps no copy has no contact that could verify it."""
    if declared_cache(consumer.name, row.authority) is not None:
        history.adopt(row, [(event.position, event.mark, event.previous_mark) for event in events if event.position and event.mark])


def record_heartbeat(consumer: str, authority: str, head: int, at: datetime, mark: str = "") -> None:
    """A heartbeat: the authority's head at a time of its clock, with its round's mark, by the same road as the events before it."""
    using = context(consumer).alias
    with transaction.atomic(using=using):
        row = _locked(using, authority)
        row.head, row.heartbeat_at = max(row.head, head), timezone.now()
        if row.checkpoint >= head and history.confirms(row, mark, head=head, highest=highest(row)):
            note_confirmed(row, at, late=True)
        note_progress(row, moved=False)
        row.save(using=using, update_fields=["head", "heartbeat_at", "confirmed_at", "behind_since"])


_MOVED = [
    *("checkpoint", "ahead", "head", "behind_since", "applied", "duplicate", "obsolete", "last_event_at"),
    *("marks", "doubt", "doubtful_since"),
]


def _locked(using: Alias, authority: str) -> Subscription:
    rows = Subscription.objects.using(using)
    row = rows.select_for_update().filter(pk=authority).first()
    if row is None:
        rows.get_or_create(pk=authority)
        row = rows.select_for_update().get(pk=authority)
    return row
