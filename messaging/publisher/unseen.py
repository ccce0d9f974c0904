"""Finds changes that no trigger saw: rows written while triggers were off, as in a restore that disables them, or on a replica.

It compares the ledger with the rows, and each aggregate's last event with its row. A row that differs gets a new version, as if it
was written now. If the last event was purged or can't be sent, only a consumer's comparison finds the difference.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from types import ModuleType
from typing import Any

from django.db import connections, models
from django.db.models.functions import Cast
from django.utils import timezone
from pydantic_core import to_json

from messaging.database import engines, expressions
from messaging.database.keys import key_sql
from messaging.database.tracked import Tracked, literal
from messaging.events.contract import DomainEvent
from messaging.ledger import entering
from messaging.models import Ledger
from messaging.publisher import outbox, page_sql, payloads
from messaging.publisher.feed import Feed
from messaging.settings import Alias

BATCH_ROWS = 1000


def enter(using: Alias, feed: Feed) -> None:
    """Enter these changes in the ledger. Safe to repeat, and to run during writes. Raises `BeingEntered`, because older rows aren't
    changes."""
    entering.require_entered(using, feed.aggregate)
    enter_rows(using, feed)
    for entry in _changed(using, feed):
        unmoved = Ledger.objects.using(using).filter(pk=entry.pk, version=entry.version)
        unmoved.update(version=entry.version + 1, position=None, changed_at=timezone.now())


def unseen_ids(using: Alias, feed: Feed) -> list[str]:
    """Ids of the aggregates that `enter` would enter. It only reads, so it doesn't need SQLite's write lock. Raises
    `BeingEntered`."""
    entering.require_entered(using, feed.aggregate)
    engine, tracked = engines.for_alias(using), feed.tracked
    with connections[using].cursor() as cursor:
        cursor.execute(_without_entry(using, tracked, engine))
        ids = [str(row[1]) for row in cursor.fetchall()]
        cursor.execute(f"SELECT aggregate_id FROM messaging_ledger WHERE id IN (SELECT id FROM ({_wrong(using, tracked)}) AS t)")
        ids += [str(row[0]) for row in cursor.fetchall()]
    return ids + [entry.aggregate_id for entry in _changed(using, feed)]


def enter_rows(using: Alias, feed: Feed) -> None:
    """Enter rows without an entry, and correct entries whose row exists and shouldn't, or the reverse. It reads first: on SQLite a
    statement that may write blocks writers for as long as it searches."""
    engine, tracked = engines.for_alias(using), feed.tracked
    if _ids_agree(using, tracked, engine):
        return
    without_entry, wrong = _without_entry(using, tracked, engine), _wrong(using, tracked)
    with connections[using].cursor() as cursor:
        if _any(cursor, without_entry):
            cursor.execute(f"""
                INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, erased, changed_at)
                {without_entry} ON CONFLICT (aggregate, aggregate_id) DO NOTHING""")
        if _any(cursor, wrong):
            # Not those that a writer changed in between: its trigger has raised the version.
            cursor.execute(f"""
                UPDATE messaging_ledger SET version = seen.version + 1, position = NULL, deleted = seen.deleted,
                    erased = seen.erased, changed_at = {engine.NOW}
                FROM ({wrong}) AS seen WHERE messaging_ledger.id = seen.id AND messaging_ledger.version = seen.version""")


def _any(cursor: Any, query: str) -> bool:
    cursor.execute(f"SELECT EXISTS ({query})")
    return bool(cursor.fetchone()[0])


def _ids_agree(using: Alias, tracked: Tracked, engine: ModuleType) -> bool:
    """Return True if ledger and rows are known to agree: hashes of their ids, added up, are equal. Each comparison looks, and two
    scans take a sixth of the time of the joins that find out which ids differ. False where the database has no quick hash."""
    erased, matches = tracked.tombstone_sql(using, "t"), _matches(using, tracked)
    dialect = expressions.dialect(using)
    entry, with_row = dialect.quick_hash("l.aggregate_id", "false"), dialect.quick_hash("l.aggregate_id", erased)
    row = dialect.quick_hash(engine.spelled(tracked, "t"), erased)
    if row is None:
        return False
    of_feed = f"l.aggregate = {literal(tracked.aggregate)} AND"
    # An entry that was erased may have a row that isn't: somebody brought it back, which the ledger doesn't follow.
    each = f"""
        SELECT {dialect.xor}({row}) AS sum FROM {tracked.quoted} t
        UNION ALL SELECT {dialect.xor}({entry}) FROM messaging_ledger l WHERE {of_feed} NOT l.deleted
        UNION ALL SELECT {dialect.xor}({with_row}) FROM messaging_ledger l JOIN {tracked.quoted} t ON {matches}
            WHERE {of_feed} l.deleted AND (l.erased OR {erased})"""
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT coalesce({dialect.xor}(sum), 0) = 0 FROM ({each}) AS sums")
        return bool(cursor.fetchone()[0])


def _matches(using: Alias, tracked: Tracked) -> str:
    return key_sql(using, tracked.key).matches(f't."{tracked.key_column}"', "l.aggregate_id")


def _without_entry(using: Alias, tracked: Tracked, engine: ModuleType) -> str:
    label, spelled, erased = literal(tracked.aggregate), engine.spelled(tracked, "t"), tracked.tombstone_sql(using, "t")
    return f"""
        SELECT {label}, {spelled}, 1, 0, {erased}, {erased}, {engine.NOW} FROM {tracked.quoted} t
        WHERE NOT EXISTS (SELECT 1 FROM messaging_ledger l WHERE l.aggregate = {label} AND l.aggregate_id = {spelled})"""


def _wrong(using: Alias, tracked: Tracked) -> str:
    key = f't."{tracked.key_column}"'
    erased = f"({key} IS NOT NULL AND {tracked.tombstone_sql(using, 't')})"
    gone, matches = f"({key} IS NULL OR {erased})", _matches(using, tracked)
    return f"""
        SELECT l.id, l.version, {gone} AS deleted, {erased} AS erased FROM messaging_ledger l
        LEFT JOIN {tracked.quoted} t ON {matches}
        WHERE l.aggregate = {literal(tracked.aggregate)} AND NOT l.erased AND l.deleted <> {gone}"""


def _changed(using: Alias, feed: Feed) -> Iterator[Ledger]:
    """Entries whose row differs from the event of its present version."""
    texts = outbox.rows(using, feed.aggregate).annotate(text=Cast("body", models.TextField())).values_list("pk", "text")
    newest_first = texts.order_by("-added", "-id").iterator(chunk_size=BATCH_ROWS)
    while batch := list(islice(newest_first, BATCH_ROWS)):
        sendable, _ = payloads.partition_sendable([(key, text, None) for key, text in batch])
        last = {(found.event["subject"], found.event["aggregateversion"]): found.event["data"] for found in sendable}
        entries = Ledger.objects.using(using).filter(
            aggregate=feed.aggregate,
            aggregate_id__in={subject for subject, _ in last},
            announced_version=models.F("version"),
            deleted=False,
        )
        known = {entry.aggregate_id: entry for entry in entries}
        for key, data in page_sql.data(using, feed, list(known)).items():
            told = last.get((key, known[key].version))
            if told is not None and _differs(feed, data, told):
                yield known[key]


def _differs(feed: Feed, data: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Compare the facts, not their JSON: 12.5 is 12.50."""
    try:
        return _facts(feed, data) != _facts(feed, {name: told.get(name, value) for name, value in data.items()})
    except ValueError:
        return True  # republish reports why the row makes no event


def _facts(feed: Feed, data: Mapping[str, Any]) -> DomainEvent:
    return feed.facts.model_validate_json(to_json(data))
