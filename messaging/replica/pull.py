"""Pull: what changed behind the checkpoint, from the authority's feed into the cache.

A page is applied in one transaction with the checkpoint, by the same conditional upsert that events go through; so pages and live
events may come in any order, and a page that comes twice changes nothing.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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

#: Rows a page where nobody says otherwise. With 1,000 a page waits too often for the record's lock and the commit (a fifth slower,
#: beside live traffic); with 5,000 the authority's memory grows, and nothing gets faster.
PAGE_ROWS = 2000


#: Beyond every position: asked for what is behind it, an authority says only where its head is.
BEYOND = 2**62


@dataclass(frozen=True)
class Pulled:
    """`rows` that were read, those of them that were `applied` (the cache didn't have them), and where that leads to."""

    rows: int
    applied: int
    checkpoint: int
    head: int


def catch_up(
    replica: Replica,
    *,
    source: str = "",
    until: int | None = None,
    page_size: int = PAGE_ROWS,
    progress: Callable[[int], None] = lambda done: None,
) -> Pulled:
    """Pull from the checkpoint to the head (or to `until`), and note what had come without an event. `source` is what
    the rows say they came by: "repair" where nobody says, and "follow" where the cache is another owner's
    (`messaging.ownership.follower`).

    Raises `Unreachable`, `Denied`, `BelowFloor` (`client`). What was pulled before an error stays.
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
    """Pages from the copy's checkpoint to the head (or to `until`), as the cache reads them, each with the position that it was
    asked from and the pairs that were shown for it. While one is applied, the next is on its way.

    The copy's `floor` is the authority's when it was begun from 0. What was purged before it began it need not know, so it may go
    on below that; without it, no copy of more than a page could be begun after a purge.
    """
    client, read = replica.client, changes.page_reader(replica.authority, replica.cache)

    def ask(behind: int, pairs: list[Pair]) -> Page:
        return client.changes(behind, limit=page_size, until=until, read=read, floor=known, marks=marks_parameter(pairs))

    since, known, pairs = row.checkpoint, row.floor, history.pairs_to_show(row)
    with ThreadPoolExecutor(1) as ahead:
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
    """Pairs as the API takes them."""
    return ",".join(f"{position}:{mark}" for position, mark in pairs)


def report(replica: Replica, *, tell_live: bool = True) -> Subscription:
    """Tell the authority up to where the consumer has everything; returns the consumer's record, with the head it heard.

    A copy that is live says so, which ends its bootstrap's grant. `tell_live` is False where it was said since that bootstrap:
    once more would end a grant that was opened for the next one. What the authority hears lets it forget marks; so a copy of which
    it isn't known that it is of one history is verified first, and one in doubt reports nothing. Raises `Unreachable`, `Denied`,
    `BelowFloor`.
    """
    row = replica.subscription()
    with replica.connected():
        if history.unverified(row) or row.doubt:
            row = _contact(replica, row, tell=False, live=False)
        if not history.unverified(row) and not row.doubt:
            row = _contact(replica, row, tell=True, live=tell_live and row.state == Subscription.State.LIVE)
    return row


def _contact(replica: Replica, row: Subscription, *, tell: bool, live: bool) -> Subscription:
    """Ask the authority how this copy stands; `tell`: with what it has."""
    at, pairs = row.checkpoint, history.pairs_to_show(row)
    told: dict[str, Any] = {"checkpoint": history.reportable(row)} if tell else {}
    if live:
        told |= {"live": True, "grant": row.grant}
    try:
        page = replica.client.changes(at, limit=1, until=at, floor=row.floor, marks=marks_parameter(pairs), **told)
    except Denied as error:
        if at == 0 and error.reason == "bootstrap_closed":
            _never_began(replica)
        raise
    if page.mark is None:
        # The checkpoint was read before the question, so an answer below it is no answer that was late.
        incidents.restored(replica.context, replica.authority, head=page.head, checkpoint=at)
    with transaction.atomic(using=replica.alias):
        row = replica.locked()
        ours = history.contacted(row, answer_of_page(page), pairs, at, checkpoints.highest(row))
        row.head = max(row.head, page.head)
        if ours and row.checkpoint >= page.head:
            checkpoints.note_confirmed(row, datetime.fromisoformat(page.time), late=True)
        row.save(using=replica.alias, update_fields=["head", "confirmed_at", "marks", "doubt", "doubtful_since"])
    return row


def vouch(replica: Replica) -> None:
    """Note the mark of the authority's head, after answers that carry none, as records: an authority that is set back to before
    them is then noticed, though no position of the copy tells. Raises as `report` does."""
    pairs = history.pairs_to_show(replica.subscription())
    with replica.connected() as client:
        page = client.changes(BEYOND, limit=1, marks=marks_parameter(pairs))
    with transaction.atomic(using=replica.alias):
        row = replica.locked()
        history.contacted(row, answer_of_page(page), pairs, page.head, checkpoints.highest(row))
        row.save(using=replica.alias, update_fields=["marks", "doubt", "doubtful_since"])


def _never_began(replica: Replica) -> None:
    """An authority that has closed the feed's beginning knows this copy as one that went live: most likely it was set back."""
    consumer, authority = replica.consumer, replica.authority
    with transaction.atomic(using=replica.alias):
        row = replica.locked()
        if row.checkpoint == 0:
            history.begin_doubt(
                row,
                f"It has nothing of {authority}, and its bootstrap was ended before: it was set back to before it, or closed. Type "
                f"where {authority} runs: consumers open {consumer} --ttl 1h. Then: bootstrap {consumer} --from {authority}.",
            )
            row.save(using=replica.alias, update_fields=["doubt", "doubtful_since"])


def answer_of_page(page: Page) -> history.Answer:
    """What a page says of the pairs that were shown for it."""
    return history.Answer(page.mark, page.refused, page.reported, page.head)


def apply_page(replica: Replica, page: Page, *, since: int, source: str, pairs: Sequence[Pair] = ()) -> tuple[int, int]:
    """Apply a page that was asked for from `since` with these `pairs`; returns (rows applied, checkpoint). One transaction."""
    taken = changes.events(replica.authority, page.results, str(uuid.uuid4()))
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
