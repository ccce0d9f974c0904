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

from django.db.models import Subquery, Value
from django.db.models.functions import Coalesce

from messaging.events.contract import Pair
from messaging.ledger import sequencer
from messaging.models import Consumer, Mark

#: Positions that are so far apart are looked up each by itself.
CLOSE_POSITIONS = 50


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
    """The rounds that gave out these positions. One indexed query for those that lie close together, as those of a batch do."""
    found: list[Mark] = []
    for first, last in _runs(sorted(positions)):
        above = Mark.objects.using(using).filter(position__gte=last).order_by("position").values("position")[:1]
        upto = Coalesce(Subquery(above), Value(last))  # the last round may end beyond what was asked for
        found += Mark.objects.using(using).filter(position__gte=first, position__lte=upto).order_by("position")
    return Rounds(found)


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) of positions that lie close together; apart from them there may be millions of rounds."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position - runs[-1][1] <= CLOSE_POSITIONS:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs


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
    """Delete the marks below the checkpoint of every consumer that shows any; returns how many. One that shows marks and has
    reported no checkpoint yet is just being filled, and holds all of them back."""
    checkpoints = list(Consumer.objects.using(using).filter(marks=True).values_list("checkpoint", flat=True))
    known = [checkpoint for checkpoint in checkpoints if checkpoint is not None]
    if len(known) < len(checkpoints):
        return 0
    lowest = min(known, default=sequencer.head(using))
    return Mark.objects.using(using).filter(position__lt=lowest).delete()[0]
