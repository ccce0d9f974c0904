"""Notice that an authority or its consumer was set back, by the marks (`messaging.ledger.marks`) of what the consumer applied.

`Subscription.marks` lists stamping rounds, [position, mark, mark of the round before, verified], by position; None if the authority
sends no marks. A round is verified when the authority confirms it at a contact, or when a verified round names it as its previous.
The verified rounds, and the rounds that continue from the highest of them, form the *line*. Any other round may come from another
history: after a restore, an authority gives out the same positions again with other marks. Such rounds form *runs* that wait for a
contact. At each contact the consumer shows the end of the line and of each run. If the authority issued all of them, there is one
history. If not, the copy is *doubtful*: the consumer can't prove that it is current, and no decision counts it as fresh until a
comparison has found both sides equal.
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

#: Rounds kept, so that a heartbeat that comes after later rounds is still recognised.
KEPT_ROUNDS = 16
#: Rounds kept if unverified ones don't allow fewer. With more, a contact's URL would be longer than web servers accept, so the copy
#: could no longer be verified.
MOST_ROUNDS = 100
#: Seconds after a message in which a heartbeat may still be one that later messages overtook.
OVERTAKEN_SECONDS = 2.0


class Entry(NamedTuple):
    """A stamping round from which something was applied."""

    #: The highest position of the round that was applied.
    position: int
    mark: str
    #: The mark of the round before; empty if unknown.
    previous: str
    #: The authority confirmed that it issued this round.
    verified: bool


@dataclass(frozen=True)
class Answer:
    """An authority's answer to the (position, mark) pairs that it was shown."""

    #: The mark of the requested position; None if the authority knows no marks.
    mark: str | None = None
    #: Positions that it didn't issue with the mark shown.
    refused: Sequence[int] = ()
    #: The checkpoint that the consumer had last reported.
    reported: int | None = None
    #: The last position of its feed.
    head: int | None = None


def pairs_to_show(row: Subscription) -> list[Pair]:
    """Return the (position, mark) pairs to show at a contact: the ends of the line and of each run."""
    line, runs = _runs(_entries(row))
    return [(run[-1].position, run[-1].mark) for run in ([line, *runs] if line else runs)]


def unverified(row: Subscription) -> bool:
    """Return True if the copy applied rounds that may come from another history."""
    return bool(_runs(_entries(row))[1])


def reportable(row: Subscription) -> int:
    """Return the checkpoint to report: no higher than any mark that is still to be shown, because the authority prunes marks below.

    The end of the line is below the checkpoint after events without marks, such as those of a relay of the last release.
    """
    return min([row.checkpoint, *(position for position, _ in pairs_to_show(row))])


def adopt(row: Subscription, rounds: Sequence[tuple[int, str, str]]) -> None:
    """Note the (position, mark, mark of the round before) of applied events. The caller saves the row."""
    if row.doubt or not rounds:  # only a comparison ends a doubt
        return
    entries = {entry.mark: entry for entry in _entries(row)}
    for position, mark, previous in rounds:
        known = entries.get(mark) or Entry(position, mark, previous, False)
        entries[mark] = known._replace(position=max(known.position, position), previous=known.previous or previous)
    _keep(row, entries.values())


def confirms(row: Subscription, mark: str, *, head: int, highest: int) -> bool:
    """Return True if a heartbeat with this head and mark belongs to the history of this copy, which has positions up to `highest`.

    Without marks a heartbeat is trusted. A head below `highest` is trusted only just after a message, which may have overtaken the
    heartbeat; otherwise the authority may have lost the positions above its head.
    """
    if row.doubt:
        return False
    entries = _entries(row)
    if not entries:
        return True
    if head < highest and (row.last_event_at is None or timezone.now() - row.last_event_at > timedelta(seconds=OVERTAKEN_SECONDS)):
        return False
    return not unverified(row) and any(entry.mark == mark for entry in entries)


def contacted(row: Subscription, answer: Answer, pairs: Sequence[Pair], at: int, highest: int) -> bool:
    """Note an authority's answer. Returns True if the copy belongs to the authority's history. The caller saves the row.

    `pairs`: the pairs shown; `at`: the position of `answer.mark`; `highest`: the highest position that the copy has.
    """
    if row.doubt:
        return False
    if answer.mark is None:  # the authority's release has no marks, so there is nothing to compare
        row.marks = None
        return True
    if answer.head is not None and answer.head < at:
        begin_doubt(row, f"{row.authority} was set back: it is at position {answer.head}, but this copy has positions up to {at}.")
        return False
    if answer.refused:
        refused = min(answer.refused)
        begin_doubt(
            row,
            f"The histories of {row.authority} and this copy differ at or before position {refused}: one of the two was set back.",
        )
        return False
    if answer.reported is not None and answer.reported > highest:
        begin_doubt(row, f"This copy was set back: it has positions up to {highest}, but it had reported {answer.reported}.")
        return False
    known = {mark for _, mark in pairs}
    entries = {entry.mark: entry._replace(verified=entry.verified or entry.mark in known) for entry in _entries(row)}
    if answer.mark:
        place = entries.get(answer.mark) or Entry(at, answer.mark, "", True)
        entries[answer.mark] = place._replace(position=max(place.position, at), verified=True)
    _keep(row, entries.values())
    return not row.doubt and not unverified(row)


def begin_doubt(row: Subscription, reason: str) -> None:
    """Make the copy doubtful: from now on no decision counts it as fresh. The caller saves the row."""
    if not row.doubt:
        row.doubt, row.doubtful_since = reason, timezone.now()
        incidents.set_back(row.home, row.authority, reason)


def end_doubt(using: Alias, authority: str, since: datetime, head: int, mark: str | None) -> bool:
    """End the doubt that began at `since`, after a comparison found both sides equal with the authority at `head`.

    The copy then has everything up to `head`. Returns False if another doubt has begun.
    """
    with transaction.atomic(using=using):
        row = Subscription.objects.of(using).select_for_update().get(authority=authority)
        if row.doubtful_since != since:
            return False
        row.doubt, row.doubtful_since, row.behind_since = "", None, None
        row.checkpoint, row.head, row.ahead = head, head, []
        row.marks = None if mark is None else [[head, mark, "", True]] if mark else []
        row.save(using=using)
        incidents.settled(using, authority)
    return True


def _runs(entries: Sequence[Entry]) -> tuple[list[Entry], list[list[Entry]]]:
    """Return the line and the runs outside it. If no round is verified yet, the lowest begins the line."""
    line = [entry for entry in entries if entry.verified] or list(entries[:1])
    runs: list[list[Entry]] = []
    for entry in entries:
        if entry.verified or entry is line[0]:
            continue
        run = next((run for run in [line, *runs] if run[-1].mark == entry.previous), None)
        if run is None:
            runs.append([entry])
        else:
            run.append(entry)
    return line, runs


def _entries(row: Subscription) -> list[Entry]:
    return [Entry(*entry) for entry in row.marks or []]


def _keep(row: Subscription, found: Iterable[Entry]) -> None:
    """Store rounds by position; the round before a verified one is verified too."""
    kept: list[Entry] = []
    proven: set[str] = set()
    for entry in sorted(found, key=lambda entry: entry.position, reverse=True):
        if kept and kept[-1].position == entry.position:
            begin_doubt(row, f"{row.authority} was set back: it gave out position {entry.position} twice.")
            return
        verified = entry.verified or entry.mark in proven
        if verified:
            proven.add(entry.previous)
        kept.append(entry._replace(verified=verified))
    kept = _fewer(kept[::-1])
    if len(kept) > MOST_ROUNDS:
        begin_doubt(row, f"Too many stamping rounds came from {row.authority} without a contact to verify them.")
        return
    row.marks = [list(entry) for entry in kept]


def _fewer(entries: list[Entry]) -> list[Entry]:
    """Drop the lowest rounds beyond `KEPT_ROUNDS`, but keep the end of each run and the highest verified round."""
    left = {entry.mark: entry for entry in entries}
    line, runs = _runs(entries)
    spare = [pair for run in [line, *runs] for pair in pairwise(run) if pair[1].verified or not pair[0].verified]
    spare.sort(key=lambda pair: pair[0].position)
    for lower, upper in spare[: max(0, len(entries) - KEPT_ROUNDS)]:
        previous = left.pop(lower.mark).previous
        if not upper.verified:
            left[upper.mark] = left[upper.mark]._replace(previous=previous)
    return list(left.values())
