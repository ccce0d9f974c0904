"""How far a consumer has everything, and what it has beyond that.

Copies carry the position of their change. The checkpoint moves over what is contiguous; positions behind a hole are kept as ranges
until the hole is filled.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from django.db.models import F
from django.utils import timezone

from messaging.models import Subscription

if TYPE_CHECKING:
    from messaging.handlers import Event
    from messaging.inbox import Outcome

#: Ranges beyond the checkpoint that are kept. What is dropped is only pulled again.
MOST_RANGES = 500


def merge(checkpoint: int, ahead: Iterable[Sequence[int]], positions: Iterable[int]) -> tuple[int, list[list[int]]]:
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


def advance(consumer: str, events: Sequence["Event"], outcome: "Outcome") -> None:
    """Count the outcome and move the checkpoint, in the caller's transaction and last in it: the row's lock lets the workers of one
    queue through one after the other, and only for these two statements."""
    by_source: dict[str, list[int]] = {}
    for event in events:
        found = by_source.setdefault(event.source, [])
        if event.position is not None:
            found.append(event.position)
    for number, (source, positions) in enumerate(by_source.items()):
        rows = Subscription.objects.using(consumer)
        row = rows.select_for_update().filter(pk=source).first()
        if row is None:
            rows.get_or_create(pk=source)
            row = rows.select_for_update().get(pk=source)
        checkpoint, ahead = merge(row.checkpoint, row.ahead, positions)
        counted = (outcome.applied, outcome.duplicate, outcome.obsolete) if number == 0 else (0, 0, 0)
        rows.filter(pk=source).update(
            checkpoint=checkpoint,
            ahead=ahead,
            applied=F("applied") + counted[0],
            duplicate=F("duplicate") + counted[1],
            obsolete=F("obsolete") + counted[2],
            last_event_at=timezone.now(),
        )
