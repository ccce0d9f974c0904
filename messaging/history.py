"""Which of an authority's histories a copy has, on the consumer's side: the marks (`messaging.marks`) of what it applied.

`Subscription.marks` lists rounds, [position, mark, seam], in the order in which something of them was applied. A round that names
the one before it in the list as its predecessor continues it; any other one begins behind a *seam*, and so may be of another
history. Each contact shows the last round before each seam, and the last of all. Where the authority issued all of them, there is
one history and no seam any more; else the copy is *doubtful*, and no decision counts it as fresh until a comparison has found both
sides equal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from messaging import incidents
from messaging.marks import Pair
from messaging.models import Subscription

#: Rounds that are kept, so that a heartbeat which comes behind later rounds is still known.
KEPT = 16
#: Rounds that are kept where seams don't allow fewer. Past that the copy can't be verified any more.
MOST = 200


class Entry(NamedTuple):
    """A round of which something was applied: its highest position that was, its mark, whether it doesn't follow the one before."""

    position: int
    mark: str
    seam: bool


@dataclass(frozen=True)
class Answer:
    """What an authority said of the pairs that it was shown. `mark`: that of the position which was asked for; None: it knows no
    marks. `refused`: positions that it didn't issue so. `reported`: the checkpoint that the consumer had reported before. `head`:
    its last position."""

    mark: str | None = None
    refused: Sequence[int] = ()
    reported: int | None = None
    head: int | None = None


def shown(row: Subscription) -> list[Pair]:
    """The pairs to show at a contact."""
    entries = _entries(row)
    last = [index for index, entry in enumerate(entries) if index + 1 == len(entries) or entries[index + 1].seam]
    return [(entries[index].position, entries[index].mark) for index in last]


def unverified(row: Subscription) -> bool:
    """Whether something was applied of which it isn't known that it belongs to the same history."""
    return any(entry.seam for entry in _entries(row))


def adopt(row: Subscription, rounds: Iterable[tuple[int, str, str]]) -> None:
    """Note (position, mark, mark of the round before) of what was applied, in ascending order. The caller saves the row."""
    if row.doubt:
        return  # until a comparison has found both sides equal
    entries = _entries(row)
    for position, mark, previous in rounds:
        place = next((index for index in reversed(range(len(entries))) if entries[index].mark == mark), None)
        if place is not None:
            entries[place] = entries[place]._replace(position=max(entries[place].position, position))
        elif any(entry.position == position for entry in entries):
            doubt(row, f"{row.authority} gave out position {position} twice, so it was set back.")
            return
        else:
            entries.append(Entry(position, mark, bool(entries) and entries[-1].mark != previous))
    while len(entries) > KEPT and not entries[1].seam:
        del entries[0]
    if len(entries) > MOST:
        doubt(row, f"Too much came from {row.authority} without a contact to verify it.")
        return
    _keep(row, entries)


def confirms(row: Subscription, mark: str) -> bool:
    """Whether a heartbeat with this mark speaks of the history that this copy has. Without marks on either side it is trusted."""
    if row.doubt:
        return False
    entries = _entries(row)
    if not entries:
        return True
    return not unverified(row) and any(entry.mark == mark for entry in entries)


def contacted(row: Subscription, answer: Answer, pairs: Sequence[Pair], at: int, highest: int) -> bool:
    """Note what an authority said of `pairs`; `at`: the position that `answer.mark` is of. `highest`: the highest position that the
    copy has. Returns whether the copy is of the authority's history. The caller saves the row."""
    if row.doubt:
        return False
    if answer.mark is None:  # a release without marks: as before there were any
        row.marks = None
        return True
    if answer.head is not None and answer.head < at:
        doubt(row, f"{row.authority} was set back: it is at position {answer.head}, and this copy has it up to {at}.")
        return False
    if answer.refused:
        refused = min(answer.refused)
        doubt(
            row, f"{row.authority} has another history than this copy, at position {refused} or before: one of both was set back."
        )
        return False
    if answer.reported is not None and answer.reported > highest:
        doubt(row, f"This copy was set back: it has position {highest}, and had reported {answer.reported}.")
        return False
    entries = _entries(row)
    known = {mark for _, mark in pairs}
    verified = max((index for index, entry in enumerate(entries) if entry.mark in known), default=-1)
    # All up to there is one history. What was applied during the contact keeps its seams.
    entries = [entry._replace(seam=entry.seam and index > verified) for index, entry in enumerate(entries)]
    place = next((index for index, entry in enumerate(entries) if entry.mark == answer.mark), None)
    if place is not None:
        entries[place] = Entry(max(entries[place].position, at), answer.mark, False)
    elif answer.mark and (verified >= 0 or not pairs) and (verified < 0 or at > entries[verified].position):
        entries.insert(verified + 1, Entry(at, answer.mark, False))
        if verified < 0 and len(entries) > 1:
            entries[1] = entries[1]._replace(seam=True)
    _keep(row, entries)
    return not unverified(row)


def doubt(row: Subscription, reason: str) -> None:
    """No decision counts this copy as fresh from now on. The caller saves the row."""
    if not row.doubt:
        row.doubt, row.doubtful_since = reason, timezone.now()
        incidents.set_back(str(row._state.db), row.authority, reason)


def settle(consumer: str, authority: str, since: datetime, head: int, mark: str) -> bool:
    """Both sides were found equal by a comparison that began after the doubt of `since`, when the authority was at `head`: the copy
    has all of its history up to there. False where another doubt has come up."""
    with transaction.atomic(using=consumer):
        row = Subscription.objects.using(consumer).select_for_update().get(pk=authority)
        if row.doubtful_since != since:
            return False
        row.doubt, row.doubtful_since, row.behind_since = "", None, None
        row.checkpoint, row.head, row.ahead = head, head, []
        row.marks = [[head, mark, False]] if mark else None
        row.save(using=consumer)
        incidents.settled(consumer, authority)
    return True


def _entries(row: Subscription) -> list[Entry]:
    return [Entry(*entry) for entry in row.marks or []]


def _keep(row: Subscription, entries: Sequence[Entry]) -> None:
    row.marks = [list(entry) for entry in entries] or None
