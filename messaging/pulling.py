"""Pull: what changed behind the checkpoint, from the authority's feed into the cache.

A page is applied in one transaction with the checkpoint, by the same conditional upsert that events go through; so pages and live
events may come in any order, and a page that comes twice changes nothing.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel, TypeAdapter, ValidationError

from messaging import checkpoints, conf, incidents, steps
from messaging.caches import Cache
from messaging.client import Authority, Page, Unreachable
from messaging.errors import MessagingError
from messaging.handlers import Event
from messaging.models import Subscription

#: Rows a page where nobody says otherwise.
PAGE = 1000


class NoCache(MessagingError):
    """The consumer keeps no copy of that authority's facts."""


@dataclass(frozen=True)
class Pulled:
    """`rows` that were read, those of them that were `applied` (the cache didn't have them), and where that leads to."""

    rows: int
    applied: int
    checkpoint: int
    head: int


def cache_of(consumer: str, authority: str) -> Cache:
    """The consumer's cache; raises `NoCache`."""
    cache = conf.cache(consumer, authority)
    if cache is None:
        raise NoCache(f"{consumer} keeps no copy of {authority}'s facts. Its copies: {', '.join(conf.caches(consumer)) or 'none'}.")
    return cache


def catch_up(
    consumer: str,
    authority: str,
    *,
    source: str = "repair",
    until: int | None = None,
    page_size: int = PAGE,
    client: Authority | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Pulled:
    """Pull from the checkpoint to the head (or to `until`), and note what had come without an event.

    Raises `Unreachable`, `Denied`, `BelowFloor` (`client`), `NoCache`. What was pulled before an error stays.
    """
    cache, asking = cache_of(consumer, authority), client or Authority(authority, consumer)
    rows = applied = 0
    checkpoint = head = subscribed(consumer, authority).checkpoint
    for since, page in pages(asking, checkpoint, page_size=page_size, until=until):
        new, checkpoint = take(consumer, authority, cache, page, since=since, source=source)
        rows, applied, head = rows + len(page.results), applied + new, page.head
        progress(len(page.results))
    return Pulled(rows, applied, checkpoint, head)


def pages(client: Authority, since: int, *, page_size: int, until: int | None = None) -> Iterator[tuple[int, Page]]:
    """Pages from `since` to the head (or to `until`), each with the position that it was asked from. While one is applied, the next
    is on its way."""
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(client.changes, since, limit=page_size, until=until)
        while True:
            page = coming.result()
            more = page.next < (page.head if until is None else min(until, page.head))
            if more:
                coming = ahead.submit(client.changes, page.next, limit=page_size, until=until)
            yield since, page
            if not more:
                return
            since = page.next


def report(consumer: str, authority: str, *, client: Authority | None = None) -> Subscription:
    """Tell the authority up to where the consumer has everything; returns the consumer's record, with the head it heard.

    A copy that is live says so, which ends its bootstrap's grant. Raises `Unreachable`, `Denied`, `BelowFloor`.
    """
    row, asking = subscribed(consumer, authority), client or Authority(authority, consumer)
    live = row.state == Subscription.State.LIVE
    page = asking.changes(row.checkpoint, limit=1, until=row.checkpoint, checkpoint=row.checkpoint, live=live or None)
    Subscription.objects.using(consumer).filter(pk=authority, head__lt=page.head).update(head=page.head)
    row.head = max(row.head, page.head)
    return row


def subscribed(consumer: str, authority: str) -> Subscription:
    """The consumer's record of the authority; made where there was none."""
    row, _ = Subscription.objects.using(consumer).get_or_create(pk=authority)
    return row


def take(consumer: str, authority: str, cache: Cache, page: Page, *, since: int, source: str) -> tuple[int, int]:
    """Apply a page that was asked for from `since`; returns (rows applied, checkpoint). One transaction."""
    correlation = str(uuid.uuid4())
    changes = events(authority, cache, page.results, correlation)
    with transaction.atomic(using=consumer):
        applied = {str(key) for key in cache.apply(changes, source).applied} if changes else set()
        steps.reach("pull.applied")
        row = Subscription.objects.using(consumer).select_for_update().get(pk=authority)
        before = row.checkpoint
        covered = [[since + 1, page.next]] if page.next > since else []
        row.checkpoint, row.ahead = checkpoints.merge(before, [*row.ahead, *covered], [])
        row.head = max(row.head, page.head)
        row.heartbeat_at = timezone.now()
        if row.checkpoint >= page.head:
            row.confirmed_at = datetime.fromisoformat(page.time)
        checkpoints.note_progress(row, moved=row.checkpoint > before)
        row.save(using=consumer)
        if source == "repair":
            silent = [item["id"] for item in page.results if not item["announced"] and item["id"] in applied]
            incidents.silent(consumer, authority, silent)
        steps.reach("pull.before_commit")
    steps.reach("pull.committed")
    return len(applied), row.checkpoint


def events(authority: str, cache: Cache, records: Sequence[Mapping[str, Any]], correlation: str) -> list[Event]:
    """Records of the API as the cache's `apply` takes them. Raises `Unreachable` where the data isn't what the cache reads."""
    try:
        facts = _reader(cache.reads).validate_python([record["data"] for record in records])  # at once: half the time
    except (ValidationError, KeyError):
        raise Unreachable(
            f"{authority}'s records lack what this cache reads ({', '.join(cache.fields)}). "
            "Is the consumer registered with these fields? See: consumers list"
        ) from None
    return [_event(authority, record, data, correlation) for record, data in zip(records, facts, strict=True)]


def event(authority: str, cache: Cache, record: Mapping[str, Any], correlation: str) -> Event:
    """One record; see `events`."""
    return events(authority, cache, [record], correlation)[0]


@lru_cache(maxsize=32)
def _reader(reads: type[BaseModel]) -> TypeAdapter[list[BaseModel]]:
    return TypeAdapter(list[reads])  # type: ignore[valid-type]


def _event(authority: str, record: Mapping[str, Any], data: BaseModel, correlation: str) -> Event:
    return Event(
        id=f"pull:{authority}:{record['position']}",
        source=authority,
        type="",
        subject=record["id"],
        version=record["version"],
        time=datetime.fromisoformat(record["time"]),
        correlation=correlation,
        causation=None,
        position=record["position"],
        data=data,
    )
