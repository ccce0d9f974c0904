"""Pull changes after the checkpoint from the authority's feed into the copy: the first load, and what was missed since.

A page is applied in one transaction with the checkpoint, by the same conditional upsert as events. So pages and live events can
come in any order, and a repeated page changes nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from messaging import failpoints
from messaging.consumer import checkpoints, history, incidents
from messaging.errors import Denied
from messaging.events.contract import Pair
from messaging.models import Subscription
from messaging.replica import changes
from messaging.replica.client import Page
from messaging.replica.replica import Replica

#: Default rows per page. With 1,000, pages wait more often for the record's lock and the commit (a fifth slower during live
#: traffic); with 5,000 the authority needs more memory, and nothing is faster.
PAGE_ROWS = 2000
#: Above every position: a request for the changes after it returns only the head.
BEYOND = 2**62


@dataclass(frozen=True)
class Pulled:
    """The result of `catch_up`."""

    #: Rows that were read.
    rows: int
    #: Those of them that the copy didn't have.
    applied: int
    #: The checkpoint afterwards.
    checkpoint: int
    #: The authority's head.
    head: int


def catch_up(
    replica: Replica,
    *,
    source: str = "",
    until: int | None = None,
    page_size: int = PAGE_ROWS,
    progress: Callable[[int], None] = lambda done: None,
) -> Pulled:
    """Pull from the checkpoint to the head (or to `until`), and record the rows that changed without an event.

    `source` is stored in the rows: by default "repair", or "follow" if another context owns the facts
    (`messaging.ownership.follower`). Raises `Unreachable`, `Denied`, `BelowFloor`; pages before the error stay applied.
    """
    source = source or ("follow" if replica.cache.follows else "repair")
    rows = applied = 0
    row = replica.subscription()
    checkpoint = head = row.checkpoint
    with replica.connected():
        for since, page, pairs in pages(replica, row, page_size=page_size, until=until):
            new, checkpoint = apply_page(replica, page, since=since, source=source, pairs=pairs)
            rows, applied, head = rows + len(page.results), applied + new, page.head
            progress(len(page.results))
    return Pulled(rows, applied, checkpoint, head)


def pages(
    replica: Replica, row: Subscription, *, page_size: int, until: int | None = None
) -> Iterator[tuple[int, Page, list[Pair]]]:
    """Yield pages from the copy's checkpoint to the head (or to `until`). While one is applied, the next is on its way.

    Each comes with the position after which it begins and the pairs that were shown for it. The copy's `floor` is the authority's
    when the copy began from 0. A copy needs no tombstones from before it began, so it may read on below that floor; otherwise no
    copy of more than one page could be made after a purge.
    """
    client, read = replica.client, changes.page_reader(replica.authority, replica.cache)

    def ask(behind: int, pairs: list[Pair]) -> Page:
        return client.changes(behind, limit=page_size, until=until, read=read, floor=known, marks=marks_parameter(pairs))

    since, known, pairs = row.checkpoint, row.floor, history.pairs_to_show(row)
    with client.ahead() as ahead:
        coming = ahead.submit(ask, since, pairs)
        while True:
            page = coming.result()
            known = page.floor if since == 0 else known
            more = page.next < (page.head if until is None else min(until, page.head))
            then = [(page.next, page.mark)] if page.mark else []
            if more:
                coming = ahead.submit(ask, page.next, then)
            yield since, page, pairs
            if not more:
                return
            since, pairs = page.next, then


def marks_parameter(pairs: Sequence[Pair]) -> str:
    """Write pairs as the API's `marks` parameter."""
    return ",".join(f"{position}:{mark}" for position, mark in pairs)


def report(replica: Replica, *, say_live: bool = True) -> Subscription:
    """Report the checkpoint to the authority. Returns the consumer's record, with the authority's head.

    A live copy says that it is live, which ends its bootstrap's grant. Pass `say_live=False` if it said so after that bootstrap, or
    it would end a grant that was opened for the next one. The authority prunes marks below a reported checkpoint, so an unverified
    copy is verified first and a doubtful one reports nothing. Raises `Unreachable`, `Denied`, `BelowFloor`.
    """
    row = replica.subscription()
    with replica.connected():
        if history.unverified(row) or row.doubt:
            row = _contact(replica, row, tell=False, live=False)
        if not history.unverified(row) and not row.doubt:
            row = _contact(replica, row, tell=True, live=say_live and row.state == Subscription.State.LIVE)
    return row


def _contact(replica: Replica, row: Subscription, *, tell: bool, live: bool) -> Subscription:
    """Request the head and show the copy's pairs; `tell`: report the checkpoint too."""
    at, pairs = row.checkpoint, history.pairs_to_show(row)
    reported: dict[str, Any] = {"checkpoint": history.reportable(row)} if tell else {}
    if live:
        reported |= {"live": True, "grant": row.grant}
    try:
        page = replica.client.changes(at, limit=1, until=at, floor=row.floor, marks=marks_parameter(pairs), **reported)
    except Denied as error:
        if at > 0 or error.reason != "bootstrap_closed":
            raise
        # Another program may have read the first change, and have closed the bootstrap by its report, before this request was sent.
        again = _unless_it_never_began(replica)
        if again is None:
            raise
        return _contact(replica, again, tell=tell, live=live)
    if page.mark is None:
        # The checkpoint was read before the request, so a head below it isn't just a late answer.
        incidents.restored(replica.context, replica.authority, head=page.head, checkpoint=at)
    with transaction.atomic(using=replica.alias):
        row = replica.locked()
        ours = history.contacted(row, answer_of_page(page), pairs, at, checkpoints.highest(row))
        row.head = max(row.head, page.head)
        if ours and row.checkpoint >= page.head:
            checkpoints.note_confirmed(row, datetime.fromisoformat(page.time), late=True)
        row.save(using=replica.alias, update_fields=["head", "confirmed_at", "marks", "doubt", "doubtful_since"])
    return row


def note_head_mark(replica: Replica) -> None:
    """Note the mark of the authority's head after answers without marks, such as records.

    Otherwise no position of the copy would show that the authority was set back to before them. Raises the same errors as `report`.
    """
    pairs = history.pairs_to_show(replica.subscription())
    with replica.connected() as client:
        page = client.changes(BEYOND, limit=1, marks=marks_parameter(pairs))
    with transaction.atomic(using=replica.alias):
        row = replica.locked()
        history.contacted(row, answer_of_page(page), pairs, page.head, checkpoints.highest(row))
        row.save(using=replica.alias, update_fields=["marks", "doubt", "doubtful_since"])


def _unless_it_never_began(replica: Replica) -> Subscription | None:
    """Return the row of a copy whose checkpoint has moved on meanwhile.

    Otherwise make it doubtful: it is empty, and its authority has closed its bootstrap. It was live before, so it was probably set
    back.
    """
    consumer, authority = replica.consumer, replica.authority
    with transaction.atomic(using=replica.alias):
        row = replica.locked()
        if row.checkpoint == 0:
            history.begin_doubt(
                row,
                f"It is empty, but {authority} has closed its grant: it was set back, or a person closed the grant. Type "
                f"where {authority} runs: manage.py consumers open {consumer} --ttl 1h. "
                f"Then here: manage.py bootstrap {consumer} --from {authority}.",
            )
            row.save(using=replica.alias, update_fields=["doubt", "doubtful_since"])
            return None
    return row


def answer_of_page(page: Page) -> history.Answer:
    """Return a page's answer to the pairs that were shown for it."""
    return history.Answer(page.mark, page.refused, page.reported, page.head)


def apply_page(replica: Replica, page: Page, *, since: int, source: str, pairs: Sequence[Pair] = ()) -> tuple[int, int]:
    """Apply a page that begins after `since`, in one transaction. Returns (rows applied, checkpoint)."""
    taken = changes.events(replica.subscription(), page.results)
    with transaction.atomic(using=replica.alias):
        with changes.applying(replica.authority):
            applied = replica.cache.apply(taken, source).applied if taken else frozenset()
        failpoints.reach("pull.applied")
        row = replica.locked()
        before = row.checkpoint
        ahead = [*row.ahead, *([[since + 1, page.next]] if page.next > since else [])]
        row.checkpoint, row.ahead = checkpoints.advance_ranges(before, ahead, [])
        row.head = max(row.head, page.head)
        row.floor = page.floor if since == 0 else row.floor
        row.heartbeat_at = timezone.now()
        ours = history.contacted(row, answer_of_page(page), pairs, page.next, checkpoints.highest(row))
        if ours and row.checkpoint >= page.head:
            checkpoints.note_confirmed(row, datetime.fromisoformat(page.time))
        checkpoints.note_progress(row, moved=row.checkpoint > before)
        row.save(using=replica.alias)
        if source == "repair":
            new = {str(key) for key in applied}
            unannounced = [item["id"] for item in page.results if not item["announced"] and item["id"] in new]
            incidents.silent(replica.alias, replica.authority, unannounced)
        failpoints.reach("pull.before_commit")
    failpoints.reach("pull.committed")
    return len(applied), row.checkpoint
