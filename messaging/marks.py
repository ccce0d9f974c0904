"""Marks: which history a position belongs to, on the authority's side.

A database that is set back to a backup, or a failover that lost the last commits, gives out positions a second time; nothing in a
position tells. So each stamping round that gives out positions stores a random mark with them, in its own transaction. Who shows a
position with its mark learns whether *this* history issued the pair, as a follower in Raft matches its log by index and term
(Ongaro and Ousterhout, In Search of an Understandable Consensus Algorithm, 2014, section 5.3). Each round names the mark of the
round before it, so rounds form a chain.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Min

from messaging.models import Consumer, Mark

#: (position, mark)
Pair = tuple[int, str]


@dataclass(frozen=True)
class Rounds:
    """Stamping rounds in the order of their positions."""

    found: Sequence[Mark] = ()

    def of(self, position: int) -> Mark | None:
        """The round that gave out a position; None where its mark isn't known: from before there were marks, or pruned."""
        place = bisect_left(self.found, position, key=lambda one: one.position)
        one = self.found[place] if place < len(self.found) else None
        return one if one is not None and one.first <= position else None


def rounds(using: str, positions: Iterable[int]) -> Rounds:
    """The rounds that gave out these positions, and those between them. One indexed query."""
    wanted = list(positions)
    if not wanted:
        return Rounds()
    rows = Mark.objects.using(using)
    return Rounds(list(rows.filter(position__gte=min(wanted), first__lte=max(wanted)).order_by("position")))


def at(using: str, position: int) -> Mark | None:
    """The round that gave out one position; None where its mark isn't known."""
    row = Mark.objects.using(using).filter(position__gte=position).order_by("position").first()
    return row if row is not None and row.first <= position else None


def refused(using: str, pairs: Iterable[Pair]) -> list[int]:
    """The positions of those pairs that this history didn't issue, or of which it can't tell any more."""
    found = []
    for position, mark in pairs:
        known = at(using, position)
        if known is None or known.mark != mark:
            found.append(position)
    return found


def prune(using: str) -> int:
    """Delete the marks below every consumer's checkpoint; returns how many. A consumer that never reported one holds none back: it
    has no pair to show."""
    lowest = Consumer.objects.using(using).aggregate(lowest=Min("checkpoint"))["lowest"]
    if lowest is None:
        return 0
    return Mark.objects.using(using).filter(position__lt=lowest).delete()[0]
