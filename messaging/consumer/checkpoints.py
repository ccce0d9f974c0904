"""Keep a consumer's checkpoint, and the positions that it has beyond it.

Each event copy carries the position of its change. The checkpoint moves over contiguous positions. Positions after a gap are kept
as ranges until the gap is filled.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from messaging.consumer import history
from messaging.consumer.cache import declared_cache
from messaging.consumer.handlers import Event
from messaging.consumer.outcome import Outcome
from messaging.errors import Paused
from messaging.models import Subscription
from messaging.settings import Alias, Context, context, owner

#: Ranges kept beyond the checkpoint. Positions of a dropped range are only pulled again.
MOST_RANGES = 500


def advance_ranges(checkpoint: int, ahead: Iterable[Sequence[int]], positions: Iterable[int]) -> tuple[int, list[list[int]]]:
    """Add positions; return the new checkpoint and the ranges beyond it: [first, last] each, sorted, not touching."""
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
    """Return the highest position that a copy has, by its own record. Events above it may still be on their way."""
    return int(max([row.checkpoint, *(last for _, last in row.ahead)]))


def old_positions(row: Subscription) -> Callable[[int | None], bool]:
    """Return a function that takes a change's position in the feed (None: not stamped yet) and returns True if it isn't news.

    A change isn't news at a position that the copy has: it was applied before. Up to its bootstrap's head, a copy that isn't live
    yet can't tell what was acted on before it began, so there nothing is news. To a doubtful copy its own positions say nothing:
    an authority that was set back gives them out again.
    """
    if row.state == Subscription.State.NEW and row.bootstrap_head is None:
        return lambda position: True
    newest, ahead = (0, []) if row.doubt else (row.checkpoint, row.ahead)
    newest = max(newest, row.bootstrap_head or 0)

    def is_old(position: int | None) -> bool:
        return position is not None and (position <= newest or any(first <= position <= last for first, last in ahead))

    return is_old


def note_progress(row: Subscription, *, moved: bool) -> None:
    """Set `behind_since`: since when the checkpoint hasn't moved although the head is higher. The caller saves the row."""
    if row.checkpoint >= row.head and not row.ahead:
        row.behind_since = None
    elif moved or row.behind_since is None:
        row.behind_since = timezone.now()


def note_confirmed(row: Subscription, at: datetime, *, late: bool = False) -> None:
    """Set `confirmed_at`: the copy was caught up at this time of the authority's clock. `late`: it may be older than the known one.

    An authority's clock that runs ahead must not make a copy look fresher than it is. So a time in our future counts as now, and a
    stored time in our future is replaced.
    """
    now = timezone.now()
    known = row.confirmed_at
    if not late or known is None or known > now or at > known:
        row.confirmed_at = min(at, now)


def advance(consumer: Context, events: Sequence[Event], outcome: Outcome, moved: Container[str]) -> None:
    """Count the outcome and move the checkpoint. `moved`: ids of the events that changed something.

    Call it last in the transaction: the row's lock makes the workers of one queue wait for each other, so it must be short.
    Raises `Paused` while a bootstrap holds the queue.
    """
    by_source: dict[str, list[Event]] = {}
    for event in events:
        found = by_source.setdefault(event.source, [])
        if event.position is not None:
            found.append(event)
    for number, (source, placed) in enumerate(by_source.items()):
        row, positions = _locked(consumer.alias, source), [event.position for event in placed if event.position is not None]
        if row.state == Subscription.State.PAUSED:
            raise Paused(f"the queue of {consumer.name} is paused until its bootstrap from {source} is done.")
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
    """Note the round of an event that was applied long after it arrived. Runs in the caller's transaction."""
    row = _locked(consumer.alias, event.source)
    _adopt(consumer, row, [event])
    row.save(using=consumer.alias, update_fields=["marks", "doubt", "doubtful_since"])


def _adopt(consumer: Context, row: Subscription, events: Sequence[Event]) -> None:
    """Note the rounds of events, if this consumer keeps a copy: without one, no contact can verify them."""
    if declared_cache(consumer.name, row.authority) is not None:
        history.adopt(row, [(event.position, event.mark, event.previous_mark) for event in events if event.position and event.mark])


def record_heartbeat(consumer: str, authority: str, head: int, at: datetime, mark: str = "") -> None:
    """Record a heartbeat: the authority's head `at` a time of its clock. It came through the same queue as the events before it."""
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
    rows = Subscription.objects.of(using)
    row = rows.select_for_update().filter(authority=authority).first()
    if row is None:
        rows.get_or_create(context=owner(using), authority=authority)
        row = rows.select_for_update().get(authority=authority)
    return row
