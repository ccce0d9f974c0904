"""Which of an authority's histories a copy has, on the consumer's side: the marks (`messaging.ledger.marks`) of what it applied.

`Subscription.marks` lists rounds, [position, mark, mark of the round before, verified], by position. A history is a line: a round
is known to belong to it where the authority said so at a contact, or where it is the predecessor of such a round. Rounds that go
on from the highest of these continue the line. Any other one may be of another history, and waits for a contact. Each contact shows
the end of the line and of every run beside it. Where the authority issued all of them, there is one history; else the copy is
*doubtful*, and no decision counts it as fresh until a comparison has found both sides equal. None in the place of the list: the
authority's release sends no marks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from messaging.consumer import incidents
from messaging.events.contract import Pair
from messaging.models import Subscription
from messaging.settings import Alias

#: Rounds that are kept, so that a heartbeat which comes behind later rounds is still known.
KEPT_ROUNDS = 16
#: Rounds that are kept where what isn't verified doesn't allow fewer. Past that the copy can't be verified any more: a web server
#: takes no longer line than their pairs make.
MOST_ROUNDS = 100
#: Seconds since the last message within which a heartbeat may have been overtaken by what came behind it.
OVERTAKEN_SECONDS = 2.0


class Entry(NamedTuple):
    """A round of which something was applied: its highest position that was, its mark, that of the round before it (empty where it
    isn't known), and whether the authority said that it issued it."""

    position: int
    mark: str
    previous: str
    verified: bool


@dataclass(frozen=True)
class Answer:
    """What an authority said of the pairs that it was shown. `mark`: that of the position which was asked for; None: it knows no
    marks. `refused`: positions that it didn't issue so. `reported`: the checkpoint that the consumer had reported before. `head`:
    its last position."""

    mark: str | None = None
    refused: Sequence[int] = ()
    reported: int | None = None
    head: int | None = None


def pairs_to_show(row: Subscription) -> list[Pair]:
    """The pairs to show at a contact."""
    line, beside = _runs(_entries(row))
    return [(run[-1].position, run[-1].mark) for run in ([line, *beside] if line else beside)]


def unverified(row: Subscription) -> bool:
    """Whether something was applied of which it isn't known that it belongs to the same history."""
    return bool(_runs(_entries(row))[1])


def reportable(row: Subscription) -> int:
    """The checkpoint that an authority may hear. It forgets marks below that, so one that is still to be shown bounds it: where
    events carried no marks, as those of a relay of the last release, the end of the line is behind the checkpoint."""
    return min([row.checkpoint, *(position for position, _ in pairs_to_show(row))])


def adopt(row: Subscription, rounds: Sequence[tuple[int, str, str]]) -> None:
    """Note (position, mark, mark of the round before) of what was applied. The caller saves the row."""
    if row.doubt or not rounds:  # in doubt until a comparison has found both sides equal
        return
    entries = {entry.mark: entry for entry in _entries(row)}
    for position, mark, previous in rounds:
        known = entries.get(mark) or Entry(position, mark, previous, False)
        entries[mark] = known._replace(position=max(known.position, position), previous=known.previous or previous)
    _keep(row, entries.values())


def confirms(row: Subscription, mark: str, *, head: int, highest: int) -> bool:
    """Whether a heartbeat with this mark speaks of the history that this copy has, up to `highest`. Without marks on either side it
    is trusted. A heartbeat of less than the copy has may have been overtaken by what came behind it; where nothing came just now,
    the authority may have lost what the copy has beyond it."""
    if row.doubt:
        return False
    entries = _entries(row)
    if not entries:
        return True
    if head < highest and (row.last_event_at is None or timezone.now() - row.last_event_at > timedelta(seconds=OVERTAKEN_SECONDS)):
        return False
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
        begin_doubt(row, f"{row.authority} was set back: it is at position {answer.head}, and this copy has it up to {at}.")
        return False
    if answer.refused:
        refused = min(answer.refused)
        begin_doubt(
            row, f"{row.authority} has another history than this copy, at position {refused} or before: one of both was set back."
        )
        return False
    if answer.reported is not None and answer.reported > highest:
        begin_doubt(row, f"This copy was set back: it has position {highest}, and had reported {answer.reported}.")
        return False
    known = {mark for _, mark in pairs}
    entries = {entry.mark: entry._replace(verified=entry.verified or entry.mark in known) for entry in _entries(row)}
    if answer.mark:
        place = entries.get(answer.mark) or Entry(at, answer.mark, "", True)
        entries[answer.mark] = place._replace(position=max(place.position, at), verified=True)
    _keep(row, entries.values())
    return not row.doubt and not unverified(row)


def begin_doubt(row: Subscription, reason: str) -> None:
    """No decision counts this copy as fresh from now on. The caller saves the row."""
    if not row.doubt:
        row.doubt, row.doubtful_since = reason, timezone.now()
        incidents.set_back(Alias(str(row._state.db)), row.authority, reason)


def end_doubt(using: Alias, authority: str, since: datetime, head: int, mark: str | None) -> bool:
    """Both sides were found equal by a comparison that began after the doubt of `since`, when the authority was at `head`: the copy
    has all of its history up to there. False where another doubt has come up."""
    with transaction.atomic(using=using):
        row = Subscription.objects.using(using).select_for_update().get(pk=authority)
        if row.doubtful_since != since:
            return False
        row.doubt, row.doubtful_since, row.behind_since = "", None, None
        row.checkpoint, row.head, row.ahead = head, head, []
        row.marks = None if mark is None else [[head, mark, "", True]] if mark else []
        row.save(using=using)
        incidents.settled(using, authority)
    return True


def _runs(entries: Sequence[Entry]) -> tuple[list[Entry], list[list[Entry]]]:
    """(the line of rounds that belong to one history, runs beside it of which that isn't known). Each run is a chain.

    Where nothing was verified yet, the lowest round begins the line.
    """
    line = [entry for entry in entries if entry.verified] or list(entries[:1])
    beside: list[list[Entry]] = []
    for entry in entries:
        if entry.verified or entry is line[0]:
            continue
        run = next((run for run in [line, *beside] if run[-1].mark == entry.previous), None)
        if run is None:
            beside.append([entry])
        else:
            run.append(entry)
    return line, beside


def _entries(row: Subscription) -> list[Entry]:
    return [Entry(*entry) for entry in row.marks or []]


def _keep(row: Subscription, found: Iterable[Entry]) -> None:
    """Keep rounds by position. The predecessor of a verified round is verified, too."""
    kept: list[Entry] = []
    proven: set[str] = set()
    for entry in sorted(found, key=lambda entry: entry.position, reverse=True):
        if kept and kept[-1].position == entry.position:
            begin_doubt(row, f"{row.authority} gave out position {entry.position} twice, so it was set back.")
            return
        verified = entry.verified or entry.mark in proven
        if verified:
            proven.add(entry.previous)
        kept.append(entry._replace(verified=verified))
    kept = _fewer(kept[::-1])
    if len(kept) > MOST_ROUNDS:
        begin_doubt(row, f"Too much came from {row.authority} without a contact to verify it.")
        return
    row.marks = [list(entry) for entry in kept]


def _fewer(entries: list[Entry]) -> list[Entry]:
    """Without the lowest that are more than `KEPT_ROUNDS`: of a chain the end is enough, and of what is verified the highest."""
    left = {entry.mark: entry for entry in entries}
    line, beside = _runs(entries)
    spare = [pair for run in [line, *beside] for pair in pairwise(run) if pair[1].verified or not pair[0].verified]
    spare.sort(key=lambda pair: pair[0].position)
    for lower, upper in spare[: max(0, len(entries) - KEPT_ROUNDS)]:
        previous = left.pop(lower.mark).previous
        if not upper.verified:
            left[upper.mark] = left[upper.mark]._replace(previous=previous)
    return list(left.values())
