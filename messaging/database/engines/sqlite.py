"""SQLite 3.35 and newer. Its transactions are immediate here, so a transaction holds the one write lock from its start."""

import json
import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from django.db import OperationalError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from pydantic_core import to_json

from messaging.database.outbox_pattern import SENT, WAITING
from messaging.database.tracked import Tracked, identifier, literal

#: The time of a change.
NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"


def spelled(tracked: Tracked, row: str) -> str:
    """The key as events spell it. Django keeps a UUID in SQLite as 32 digits without its dashes."""
    column = f'{row}."{tracked.key_column}"'
    if not isinstance(tracked.key, models.UUIDField):
        return f"CAST({column} AS TEXT)"
    parts = [f"substr({column}, {start}, {length})" for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    return " || '-' || ".join(parts)


def matches(tracked: Tracked, row: str, spelled_key: str) -> str:
    """The row is the one that the ledger spells so; along the key's index."""
    stored = f"replace({spelled_key}, '-', '')" if isinstance(tracked.key, models.UUIDField) else spelled_key
    return f'{row}."{tracked.key_column}" = {stored}'


def _moves(tracked: Tracked, key: str, deleted: str, erased: str) -> str:
    """The statement that moves an aggregate's version."""
    return _moved(f"VALUES ({literal(tracked.label)}, {key}, 1, 0, {deleted}, {erased}, {NOW})")


def _moved(rows: str) -> str:
    return f"""
        INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, erased, changed_at)
        {rows}
        ON CONFLICT (aggregate, aggregate_id) DO UPDATE
        SET version = version + 1, position = NULL, deleted = max(erased, excluded.deleted), erased = max(erased, excluded.erased),
            changed_at = excluded.changed_at;
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
    """Create or replace the ledger's triggers; True where one was missing before.

    Django alters a SQLite table by making it anew, and its triggers go with the old one. That is why this runs after every
    `migrate` and not in a migration; `KeptTriggers` bridges the time until then.
    """
    fresh = trigger_missing(connection, tracked)
    drop_triggers(connection, tracked.table, "messaging_ledger_")
    with connection.cursor() as cursor:
        # What OR REPLACE may be about to remove; empty but during a statement.
        cursor.execute("CREATE TABLE IF NOT EXISTS messaging_replaced (aggregate TEXT, aggregate_id TEXT, row_key)")
        for name, (event, condition, body) in _triggers(connection, tracked).items():
            cursor.execute(f'CREATE TRIGGER "{name}" {event} ON {tracked.quoted} {condition} BEGIN {body} END')
    return fresh


def trigger_missing(connection: BaseDatabaseWrapper, tracked: Tracked) -> bool:
    """Whether writes to the model go unnoticed: one of the triggers isn't there."""
    there = {name for name, _ in triggers(connection, tracked.table, "messaging_ledger_")}
    return not there.issuperset(_triggers(connection, tracked))


def _triggers(connection: BaseDatabaseWrapper, tracked: Tracked) -> dict[str, tuple[str, str, str]]:
    """Name to (event, condition, body)."""
    key = tracked.key_column
    new, tombstone = spelled(tracked, "NEW"), tracked.tombstone_sql("NEW", "0")
    gone = _moves(tracked, spelled(tracked, "OLD"), "1", "0")
    wanted = {
        "insert": ("AFTER INSERT", "", _moves(tracked, new, tombstone, tombstone)),
        "update": ("AFTER UPDATE", "", _moves(tracked, new, tombstone, tracked.erasure_sql("0"))),
        "rekey": ("AFTER UPDATE", f'WHEN OLD."{key}" <> NEW."{key}"', gone),
        "delete": ("AFTER DELETE", "", gone),
    }
    unique = _unique(connection, tracked)
    if unique:
        wanted |= _replacing(tracked, unique)
    return {identifier(f"{tracked.trigger}_{suffix}"): trigger for suffix, trigger in wanted.items()}


def _replacing(tracked: Tracked, unique: list[list[str]]) -> dict[str, tuple[str, str, str]]:
    """OR REPLACE removes the rows in its way, and SQLite fires no delete trigger for them. They are noted before the write, when
    nobody can tell yet whether it will replace them, be refused, or update them; after it, those that are gone were removed."""
    key, label = tracked.key_column, literal(tracked.label)
    in_the_way = " OR ".join("(" + " AND ".join(f't."{column}" = NEW."{column}"' for column in columns) + ")" for columns in unique)
    forget = f"DELETE FROM messaging_replaced WHERE aggregate = {label};"
    note = (
        f"{forget} INSERT INTO messaging_replaced (aggregate, aggregate_id, row_key) "
        f'SELECT {label}, {spelled(tracked, "t")}, t."{key}" FROM {tracked.quoted} t WHERE ({in_the_way})'
    )
    removed = _moved(
        f"SELECT aggregate, aggregate_id, 1, 0, 1, 0, {NOW} FROM messaging_replaced r WHERE aggregate = {label} "
        f'AND NOT EXISTS (SELECT 1 FROM {tracked.quoted} t WHERE t."{key}" = r.row_key)'
    )
    noted = f"WHEN EXISTS (SELECT 1 FROM messaging_replaced WHERE aggregate = {label})"
    return {
        "replacing_insert": ("BEFORE INSERT", "", f"{note};"),
        "replaced_insert": ("AFTER INSERT", noted, f"{removed} {forget}"),
        "replacing_update": ("BEFORE UPDATE", "", f'{note} AND t."{key}" <> OLD."{key}";'),
        "replaced_update": ("AFTER UPDATE", noted, f"{removed} {forget}"),
    }


def _unique(connection: BaseDatabaseWrapper, tracked: Tracked) -> list[list[str]]:
    """The columns of each unique index by which another row can be in the way. Partial and expression indexes aren't followed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.name, i.name FROM pragma_index_list(%s) l JOIN pragma_index_info(l.name) i "
            'WHERE l."unique" AND NOT l.partial '
            "ORDER BY l.name, i.seqno",
            [tracked.table.replace('"', "")],
        )
        found: dict[str, list[str]] = {}
        for index, column in cursor.fetchall():
            found.setdefault(index, []).append(column)
    return [columns for columns in found.values() if None not in columns and tracked.key_column not in columns]


class KeptTriggers:
    """An execute wrapper for a `migrate`: a table of Django's making anew gets its triggers back at once, so that a data migration
    behind it is counted. And SQLite drops no column while any trigger names it, nor gives a new table the name of one that was
    dropped while another table's trigger names that, so triggers step aside for both. Those that no longer fit are left out;
    `migrate` installs the new ones when it ends."""

    def __init__(self) -> None:
        self.dropped: dict[str, list[tuple[str, str]]] = {}

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        connection = context["connection"]
        if isinstance(sql, str) and (drop := _DROP.fullmatch(sql)):
            kept = triggers(connection, drop["table"], "messaging_")
            if kept:
                self.dropped[drop["table"]] = kept
        renamed = _RENAME.fullmatch(sql) if isinstance(sql, str) else None
        aside = self._put_aside(connection) if renamed or (isinstance(sql, str) and _DROP_COLUMN.match(sql)) else ()
        try:
            result = execute(sql, params, many, context)
        finally:
            for table in aside:
                self._restore(connection, table)
        if renamed:
            self._restore(connection, renamed["table"])
        return result

    def _put_aside(self, connection: BaseDatabaseWrapper) -> list[str]:
        """Drop all our triggers, also those of other tables: their statements may name the column. Returns their tables."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 10) = 'messaging_'"
            )
            tables = [table for (table,) in cursor.fetchall()]
        for table in tables:
            self.dropped[table] = triggers(connection, table, "messaging_")
            drop_triggers(connection, table, "messaging_")
        return tables

    def _restore(self, connection: BaseDatabaseWrapper, table: str) -> None:
        with connection.cursor() as cursor:
            for name, sql in self.dropped.pop(table, []):
                cursor.execute(sql)
                try:
                    for statement in _each_write(connection, table):
                        cursor.execute(f"EXPLAIN {statement}")
                except OperationalError:
                    cursor.execute(f'DROP TRIGGER "{name}"')


#: What Django's schema editor says when it makes a table anew.
_DROP = re.compile(r'DROP TABLE "(?P<table>[^"]+)"')
_DROP_COLUMN = re.compile(r"\s*ALTER\s+TABLE\s+\S+\s+DROP\s+COLUMN\b", re.IGNORECASE)
_RENAME = re.compile(r'ALTER TABLE "new__(?P<table>[^"]+)" RENAME TO "(?P=table)"')


def _each_write(connection: BaseDatabaseWrapper, table: str) -> tuple[str, str, str]:
    """A statement of each kind, which are for reading only: SQLite reads a trigger's body with the statement that fires it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pragma_table_info(%s) LIMIT 1", [table])
        (column,) = cursor.fetchone()
    return f'INSERT INTO "{table}" DEFAULT VALUES', f'UPDATE "{table}" SET "{column}" = "{column}"', f'DELETE FROM "{table}"'


def backfill(connection: BaseDatabaseWrapper, tracked: Tracked) -> None:
    """Enter rows older than the ledger: version 1, and taken as announced, because their history is gone."""
    erased = tracked.tombstone_sql("t", "0")
    with connection.cursor() as cursor:
        cursor.execute(f"""
            INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, erased, changed_at)
            SELECT {literal(tracked.label)}, {spelled(tracked, "t")}, 1, 1, {erased}, {erased}, {NOW}
            FROM {tracked.quoted} t WHERE true ON CONFLICT (aggregate, aggregate_id) DO NOTHING""")


def announce(using: str, aggregate: str, ids: Sequence[str]) -> list[tuple[str, int, bool, bool]]:
    """Mark the current versions as announced; returns (id, version, whether it is a tombstone, whether it was erased)."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_ledger SET announced_version = version "
            "WHERE aggregate = %s AND aggregate_id IN (SELECT value FROM json_each(%s)) "
            "RETURNING aggregate_id, version, deleted, erased",
            [aggregate, json.dumps(list(ids))],
        )
        return list(cursor.fetchall())


def claim(using: str, limit: int) -> list[tuple[Any, str, int | None]]:
    """Mark the oldest waiting outbox rows as sent: (id, body, position of the change where it is still its aggregate's latest).

    The transaction holds the write lock, so no other relay can claim meanwhile.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"UPDATE published SET status = {SENT} WHERE id IN ("
            f"SELECT id FROM published WHERE status = {WAITING} ORDER BY added, id LIMIT %s) RETURNING id, body, added",
            [limit],
        )
        rows = sorted(cursor.fetchall(), key=itemgetter(2, 0))  # RETURNING knows no order
        cursor.execute(
            # Read from each row by itself: what is written by hand may be no object, or nested so deep that no list could hold it.
            "SELECT p.id, l.position FROM json_each(%s) AS claimed CROSS JOIN published p ON p.id = claimed.value "
            "CROSS JOIN messaging_ledger l "
            "ON l.aggregate_id = p.body ->> '$.subject' AND l.version = p.body ->> '$.aggregateversion' "
            "AND p.body ->> '$.type' LIKE l.aggregate || '.%%'",
            [json.dumps([row_id for row_id, _, _ in rows])],
        )
        positions = dict(cursor.fetchall())
    return [(row_id, body, positions.get(row_id)) for row_id, body, _ in rows]


def install_stamping(connection: BaseDatabaseWrapper, *, marks: bool = True) -> None:
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
