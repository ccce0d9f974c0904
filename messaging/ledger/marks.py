"""Marks tell which history a position belongs to. This is the authority's side.

An authority that was restored from a backup, or lost its last commits in a failover, gives out the same positions again. The
numbers alone don't show that. So each stamping round stores a random mark with its positions, in the same transaction. A consumer
sends a position with its mark, and the authority checks that *this* history issued the pair, as a follower in Raft matches its log
by index and term (Ongaro and Ousterhout, In Search of an Understandable Consensus Algorithm, 2014, section 5.3). Each round also
stores the mark of the round before it, so rounds form a chain.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Subquery, Value
from django.db.models.functions import Coalesce

from messaging.events.contract import Pair
from messaging.ledger import sequencer
from messaging.models import Consumer, Mark

#: Positions with larger gaps are looked up by separate queries.
CLOSE_POSITIONS = 50


@dataclass(frozen=True)
class Rounds:
    """Stamping rounds in the order of their positions."""

    found: Sequence[Mark] = ()

    def of(self, position: int) -> Mark | None:
        """The round that gave out a position; None if it has no mark: it is older than marks, or its mark was pruned."""
        place = bisect_left(self.found, position, key=lambda one: one.position)
        one = self.found[place] if place < len(self.found) else None
        return one if one is not None and one.first <= position else None


def rounds(using: str, positions: Iterable[int]) -> Rounds:
    """The rounds that gave out these positions, by one indexed query for each run of close positions."""
    found: list[Mark] = []
    for first, last in _runs(sorted(positions)):
        above = Mark.objects.of(using).filter(position__gte=last).order_by("position").values("position")[:1]
        upto = Coalesce(Subquery(above), Value(last))  # the last round may end after the last position
        found += Mark.objects.of(using).filter(position__gte=first, position__lte=upto).order_by("position")
    return Rounds(found)


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """The (first, last) of each run of close positions. Between two runs there may be millions of rounds."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position - runs[-1][1] <= CLOSE_POSITIONS:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs


def at(using: str, position: int) -> Mark | None:
    """The round that gave out one position; None if it has no mark."""
    row = Mark.objects.of(using).filter(position__gte=position).order_by("position").first()
    return row if row is not None and row.first <= position else None


def refused(using: str, pairs: Iterable[Pair]) -> list[int]:
    """The positions of those pairs that this history didn't issue, or whose marks were pruned."""
    found = []
    for position, mark in pairs:
        known = at(using, position)
        if known is None or known.mark != mark:
            found.append(position)
    return found


def prune(using: str) -> int:
    """Delete the marks below the checkpoints of all consumers that send marks. Returns how many. Such a consumer without a
    checkpoint is in its bootstrap; until it reports one, all marks stay."""
    checkpoints = list(Consumer.objects.of(using).filter(marks=True).values_list("checkpoint", flat=True))
    known = [checkpoint for checkpoint in checkpoints if checkpoint is not None]
    if len(known) < len(checkpoints):
        return 0
    lowest = min(known, default=sequencer.head(using))
    return Mark.objects.of(using).filter(position__lt=lowest).delete()[0]
