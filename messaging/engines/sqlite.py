"""SQLite 3.35 and newer. Its transactions are immediate here, so a transaction holds the one write lock from its start."""

import json
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from pydantic_core import to_json

from messaging.engines.shape import Tracked, identifier, literal

_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"


def _key(tracked: Tracked, row: str) -> str:
    """The key as events spell it. Django keeps a UUID in SQLite as 32 digits without its dashes."""
    column = f'{row}."{tracked.key_column}"'
    if not isinstance(tracked.key, models.UUIDField):
        return f"CAST({column} AS TEXT)"
    parts = [f"substr({column}, {start}, {length})" for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    return " || '-' || ".join(parts)


def _moves(tracked: Tracked, key: str, deleted: str) -> str:
    """The statement that moves an aggregate's version."""
    return f"""
        INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, changed_at)
        VALUES ({literal(tracked.label)}, {key}, 1, 0, {deleted}, {_NOW})
        ON CONFLICT (aggregate, aggregate_id) DO UPDATE
        SET version = version + 1, position = NULL, deleted = max(deleted, excluded.deleted), changed_at = excluded.changed_at;
    """


def table_exists(connection: BaseDatabaseWrapper, table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = %s", [table.replace('"', "")])
        return cursor.fetchone() is not None


def triggers(connection: BaseDatabaseWrapper, table: str, prefix: str) -> list[tuple[str, str]]:
    """(name, SQL) of the triggers on a table whose names begin so."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s AND substr(name, 1, %s) = %s",
            [table.replace('"', ""), len(prefix), prefix],
        )
        return list(cursor.fetchall())


def drop_triggers(connection: BaseDatabaseWrapper, table: str, prefix: str) -> None:
    """Drop the triggers on a table whose names begin so. A renamed table keeps those of its old name, and each would count."""
    with connection.cursor() as cursor:
        for name, _ in triggers(connection, table, prefix):
            cursor.execute(f'DROP TRIGGER "{name}"')


def install_trigger(connection: BaseDatabaseWrapper, tracked: Tracked) -> bool:
    """Create or replace the ledger's triggers; True where there were none before.

    Django alters a SQLite table by making it anew, and its triggers go with the old one. That is why this runs after every
    `migrate` and not in a migration.
    """
    fresh = trigger_missing(connection, tracked)
    old, new = _key(tracked, "OLD"), _key(tracked, "NEW")
    written = _moves(tracked, new, tracked.tombstone_sql("NEW", "0"))
    gone = _moves(tracked, old, "1")
    key = tracked.key_column
    drop_triggers(connection, tracked.table, "messaging_ledger_")
    with connection.cursor() as cursor:
        for suffix, event, condition, body in (
            ("insert", "INSERT", "", written),
            ("update", "UPDATE", "", written),
            ("rekey", "UPDATE", f'WHEN OLD."{key}" <> NEW."{key}"', gone),
            ("delete", "DELETE", "", gone),
        ):
            name = identifier(f"{tracked.trigger}_{suffix}")
            cursor.execute(f'CREATE TRIGGER "{name}" AFTER {event} ON {tracked.quoted} {condition} BEGIN {body} END')
    return fresh


def trigger_missing(connection: BaseDatabaseWrapper, tracked: Tracked) -> bool:
    """Whether writes to the model go unnoticed."""
    return len(triggers(connection, tracked.table, "messaging_ledger_")) < 4


def backfill(connection: BaseDatabaseWrapper, tracked: Tracked) -> None:
    """Enter rows older than the ledger: version 1, and taken as announced, because their history is gone."""
    with connection.cursor() as cursor:
        cursor.execute(f"""
            INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, changed_at)
            SELECT {literal(tracked.label)}, {_key(tracked, "t")}, 1, 1, {tracked.tombstone_sql("t", "0")}, {_NOW}
            FROM {tracked.quoted} t WHERE true ON CONFLICT (aggregate, aggregate_id) DO NOTHING""")


def announce(using: str, aggregate: str, ids: Sequence[str]) -> list[tuple[str, int, bool]]:
    """Mark the current versions as announced; returns (id, version, whether it is a tombstone)."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_ledger SET announced_version = version "
            "WHERE aggregate = %s AND aggregate_id IN (SELECT value FROM json_each(%s)) RETURNING aggregate_id, version, deleted",
            [aggregate, json.dumps(list(ids))],
        )
        return list(cursor.fetchall())


def claim(using: str, limit: int) -> list[tuple[Any, str, int | None]]:
    """Mark the oldest waiting outbox rows as sent: (id, body, position of the change where it is still its aggregate's latest).

    The transaction holds the write lock, so no other relay can claim meanwhile.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            "UPDATE published SET status = 2 WHERE id IN ("
            "SELECT id FROM published WHERE status = 1 ORDER BY added, id LIMIT %s) RETURNING id, body, added",
            [limit],
        )
        rows = sorted(cursor.fetchall(), key=itemgetter(2, 0))  # RETURNING knows no order
        cursor.execute(
            "SELECT event.key, l.position FROM json_each(%s) AS event JOIN messaging_ledger l "
            "ON l.aggregate_id = event.value ->> 'subject' AND l.version = event.value ->> 'aggregateversion' "
            "AND event.value ->> 'type' LIKE l.aggregate || '.%%'",
            [f"[{','.join(body for _, body, _ in rows)}]"],
        )
        positions = dict(cursor.fetchall())
    return [(row_id, body, positions.get(number)) for number, (row_id, body, _) in enumerate(rows)]


def install_stamping(connection: BaseDatabaseWrapper) -> None:
    """Nothing: SQLite has no functions, and no trip to save."""


def remove_stamping(connection: BaseDatabaseWrapper) -> None:
    """Nothing."""


def stamp(using: str, limit: int) -> int:
    """Give the next positions to up to `limit` pending changes, and move the head, in a transaction of its own: the write lock is
    the sequencer's lock. Returns how many."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("INSERT INTO messaging_sequence (id, head, floor) VALUES (1, 0, 0) ON CONFLICT DO NOTHING")
        cursor.execute(
            """
            UPDATE messaging_ledger SET position = numbered.position FROM (
                SELECT id, row_number() OVER (ORDER BY changed_at, id) + (SELECT head FROM messaging_sequence) AS position
                FROM (SELECT id, changed_at FROM messaging_ledger WHERE position IS NULL ORDER BY changed_at, id LIMIT %s)
            ) AS numbered WHERE messaging_ledger.id = numbered.id
            """,
            [limit],
        )
        stamped = int(cursor.rowcount)  # -1 if the statement began with WITH: Python's sqlite3 goes by its first word
        if stamped:
            cursor.execute("UPDATE messaging_sequence SET head = head + %s WHERE id = 1", [stamped])
            cursor.execute(
                "INSERT OR REPLACE INTO messaging_mark (position, first, mark, previous) "
                "SELECT head, head - %s + 1, lower(hex(randomblob(8))), "
                "coalesce((SELECT mark FROM messaging_mark ORDER BY position DESC LIMIT 1), '') FROM messaging_sequence",
                [stamped],
            )
        return stamped


def values_source(
    fields: Sequence["models.Field[Any, Any]"], rows: Sequence[Mapping[str, Any]], connection: BaseDatabaseWrapper
) -> tuple[str, list[Any]]:
    """(SQL, parameters) of a SELECT that yields these columns of the rows: one JSON document, so there is one parameter."""
    columns = ", ".join(f"json_extract(value, '$[{index}]')" for index in range(len(fields)))
    document = to_json([[_prepared(field, row[field.name], connection) for field in fields] for row in rows]).decode()
    return f"SELECT {columns} FROM json_each(%s) WHERE true", [document]


def _prepared(field: "models.Field[Any, Any]", value: Any, connection: BaseDatabaseWrapper) -> Any:
    if isinstance(field, models.JSONField):
        return None if value is None else json.dumps(value)
    return field.get_db_prep_save(value, connection)


def positions(using: str, aggregate: str, ids: Sequence[str]) -> list[tuple[str, int, int | None]]:
    """(id, version, position) of these aggregates' latest changes."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT aggregate_id, version, position FROM messaging_ledger "
            "WHERE aggregate = %s AND aggregate_id IN (SELECT value FROM json_each(%s))",
            [aggregate, json.dumps(list(ids))],
        )
        return list(cursor.fetchall())
