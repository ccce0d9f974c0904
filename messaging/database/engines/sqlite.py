"""SQLite 3.38 and newer. Its transactions are immediate here, so each holds the one write lock from its start."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import OperationalError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from pydantic_core import to_json

from messaging.database import file_lock, keys
from messaging.database.outbox_pattern import SENT, WAITING, is_envelope, may_be_former
from messaging.database.tracked import Tracked, identifier, literal
from messaging.errors import Held
from messaging.settings import owner

#: The time of a change.
NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
#: The context of an outbox row: the first word of its wire type. The claim's index begins with it.
CONTEXT = "substr(destination, 1, instr(destination, '.') - 1)"
#: The condition that release 0.1 may have written an outbox row, which has an index, and that it did.
MAY_BE_FORMER = may_be_former("'9999-12-31 00:00:00'")
FORMER_ENVELOPE = MAY_BE_FORMER + " AND " + is_envelope(CONTEXT, "replace(body ->> 'id', '-', '') = id")


def spelled(tracked: Tracked, row: str) -> str:
    """The SQL of a row's key as text, as in the ledger."""
    return keys.SQLite(keys.kind_of_key(tracked.key)).spelled(f'{row}."{tracked.key_column}"')


def _moves(tracked: Tracked, key: str, deleted: str, erased: str) -> str:
    """The statement that raises an aggregate's version."""
    return _moved(f"VALUES ({literal(tracked.aggregate)}, {key}, 1, 0, {deleted}, {erased}, {NOW})")


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
    """The (name, SQL) of a table's triggers with this prefix."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s AND substr(name, 1, %s) = %s",
            [table.replace('"', ""), len(prefix), prefix],
        )
        return list(cursor.fetchall())


def drop_triggers(connection: BaseDatabaseWrapper, table: str, prefix: str) -> None:
    """Drop a table's triggers with this prefix. A renamed table keeps its old triggers, and each would count the write."""
    with connection.cursor() as cursor:
        for name, _ in triggers(connection, table, prefix):
            cursor.execute(f'DROP TRIGGER "{name}"')


def remove_triggers(connection: BaseDatabaseWrapper, table: str) -> None:
    """Drop the ledger's triggers on a table, and what no trigger needs then."""
    drop_triggers(connection, table, "messaging_ledger_")
    if not _tables_with_triggers(connection, "messaging_ledger_"):
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS messaging_replaced")


def uninstall(connection: BaseDatabaseWrapper) -> None:
    """Drop all triggers and guards of this database, and what they need."""
    for table in _tables_with_triggers(connection, "messaging_"):
        drop_triggers(connection, table, "messaging_")
    remove_triggers(connection, "")


def _tables_with_triggers(connection: BaseDatabaseWrapper, prefix: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, %s) = %s", [len(prefix), prefix]
        )
        return [table for (table,) in cursor.fetchall()]


def wait_at_most(connection: BaseDatabaseWrapper, seconds: float) -> None:
    """Nothing to do: the connection's own timeout limits the wait."""


def oldest_user(connection: BaseDatabaseWrapper, table: str) -> str:
    """SQLite doesn't know it."""
    return ""


def install_trigger(connection: BaseDatabaseWrapper, tracked: Tracked) -> bool:
    """Create or replace the ledger's triggers. Returns True if one was missing before.

    Django alters a SQLite table by creating a new one, and the old one's triggers are dropped with it. So this runs after every
    `migrate`, not in a migration. `KeptTriggers` restores the triggers during the `migrate`.
    """
    fresh = trigger_missing(connection, tracked)
    drop_triggers(connection, tracked.table, "messaging_ledger_")
    with connection.cursor() as cursor:
        # The rows that OR REPLACE may remove. It has rows only during a statement.
        cursor.execute("CREATE TABLE IF NOT EXISTS messaging_replaced (aggregate TEXT, aggregate_id TEXT, row_key)")
        for statement in definitions(connection, tracked).values():
            cursor.execute(statement)
    return fresh


def trigger_missing(connection: BaseDatabaseWrapper, tracked: Tracked) -> bool:
    """Return True if one of the triggers is missing, so writes to the model aren't counted."""
    there = {name for name, _ in triggers(connection, tracked.table, "messaging_ledger_")}
    return not there.issuperset(_triggers(connection, tracked))


def definitions(connection: BaseDatabaseWrapper, tracked: Tracked) -> dict[str, str]:
    """Maps the name of each trigger that a tracked table should have to the statement that creates it."""
    return {
        name: f'CREATE TRIGGER "{name}" {event} ON {tracked.quoted} {condition} BEGIN {body} END'
        for name, (event, condition, body) in _triggers(connection, tracked).items()
    }


def _triggers(connection: BaseDatabaseWrapper, tracked: Tracked) -> dict[str, tuple[str, str, str]]:
    """Maps a trigger's name to its (event, condition, body)."""
    key = tracked.key_column
    new, tombstone = spelled(tracked, "NEW"), tracked.tombstone_sql(connection.alias, "NEW")
    gone = _moves(tracked, spelled(tracked, "OLD"), "1", "0")
    wanted = {
        "insert": ("AFTER INSERT", "", _moves(tracked, new, tombstone, tombstone)),
        "update": (
            "AFTER UPDATE",
            _counted(connection, tracked),
            _moves(tracked, new, tombstone, tracked.erasure_sql(connection.alias)),
        ),
        "rekey": ("AFTER UPDATE", f'WHEN OLD."{key}" <> NEW."{key}" COLLATE BINARY', gone),
        "delete": ("AFTER DELETE", "", gone),
    }
    unique = _unique(connection, tracked)
    if unique:
        wanted |= _replacing(tracked, unique)
    return {identifier(f"{tracked.trigger}_{suffix}"): trigger for suffix, trigger in wanted.items()}


def _counted(connection: BaseDatabaseWrapper, tracked: Tracked) -> str:
    """The condition of an update that counts: it changes a column that isn't ignored. Empty: every update counts."""
    ignored = {name.casefold() for name in tracked.ignored_columns}
    if not ignored:
        return ""
    with connection.cursor() as cursor:  # `hidden` is 1 for a virtual table's column, and 2 or 3 for a generated one
        cursor.execute("SELECT name FROM pragma_table_xinfo(%s) WHERE hidden <> 1", [tracked.table.replace('"', "")])
        names = [name for (name,) in cursor.fetchall()]
    counted = [name for name in names if name.casefold() not in ignored]
    # A column's own collation may take "ann" and "Ann" for the same.
    return "WHEN " + " OR ".join(f'OLD."{name}" IS NOT NEW."{name}" COLLATE BINARY' for name in counted)


def _replacing(tracked: Tracked, unique: list[list[str]]) -> dict[str, tuple[str, str, str]]:
    """Triggers that count the rows that OR REPLACE removes; SQLite fires no delete trigger for them. They note all conflicting rows
    before the write, which may still replace them, fail or update them. Those that are gone after the write were removed."""
    key, label = tracked.key_column, literal(tracked.aggregate)
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
    """The columns of each unique index by which rows can conflict. Partial and expression indexes are left out. An integer primary
    key has no index."""
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
    if isinstance(tracked.model._meta.pk, models.IntegerField):
        found[""] = [str(tracked.model._meta.pk.column)]
    return [columns for columns in found.values() if None not in columns and tracked.key_column not in columns]


class KeptTriggers:
    """An execute wrapper for a `migrate`. A table that Django recreates gets its triggers back at once, so that a later data
    migration is counted. SQLite refuses to drop a column, or to give a new table a dropped table's name, while another trigger
    names it. So triggers are dropped for both and created again, except those that no longer fit: `migrate` ends with new ones."""

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
        """Drop our triggers on all tables, since any may name the column. Returns the tables."""
        tables = _tables_with_triggers(connection, "messaging_")
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


#: The statements by which Django's schema editor recreates a table.
_DROP = re.compile(r'DROP TABLE "(?P<table>[^"]+)"')
_DROP_COLUMN = re.compile(r"\s*ALTER\s+TABLE\s+\S+\s+DROP\s+COLUMN\b", re.IGNORECASE)
_RENAME = re.compile(r'ALTER TABLE "new__(?P<table>[^"]+)" RENAME TO "(?P=table)"')


def _each_write(connection: BaseDatabaseWrapper, table: str) -> tuple[str, str, str]:
    """A statement of each kind, for EXPLAIN: SQLite checks a trigger's body with a statement that fires it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pragma_table_info(%s) LIMIT 1", [table])
        (column,) = cursor.fetchone()
    return f'INSERT INTO "{table}" DEFAULT VALUES', f'UPDATE "{table}" SET "{column}" = "{column}"', f'DELETE FROM "{table}"'


def announce(using: str, aggregate: str, ids: Sequence[str]) -> list[tuple[str, int, bool, bool]]:
    """Mark the current versions as announced. Returns (id, version, is a tombstone, was erased)."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_ledger SET announced_version = version "
            "WHERE aggregate = %s AND aggregate_id IN (SELECT value FROM json_each(%s)) "
            "RETURNING aggregate_id, version, deleted, erased",
            [aggregate, json.dumps(list(ids))],
        )
        return list(cursor.fetchall())


@contextmanager
def claimed(using: str, context: str, limit: int) -> Iterator[list[tuple[Any, str, int | None]]]:
    """Yield what `claim` returns. The rows are marked as sent when the block ends, so they are sent again if it doesn't.

    No transaction is open meanwhile. It would have the database's only write lock, so every writer would wait for the broker. The
    relays of a context take turns by a lock of a file, which the system unlocks when a process ends. Without their turn, or if
    nothing waits, there are no rows.
    """
    with ExitStack() as turn:
        try:
            turn.enter_context(file_lock.exclusive(using, "relay"))
        except Held:
            rows = []
        else:
            rows = _waiting(using, context, limit)
        yield rows
        if rows:
            with transaction.atomic(using=using):
                _mark_sent(using, [row_id for row_id, _, _ in rows])


def claim(using: str, context: str, limit: int) -> list[tuple[Any, str, int | None]]:
    """Mark a context's oldest waiting outbox rows as sent. Returns (id, body, position if it is its aggregate's latest change)."""
    rows = _waiting(using, context, limit)
    _mark_sent(using, [row_id for row_id, _, _ in rows])
    return rows


def _waiting(using: str, context: str, limit: int) -> list[tuple[Any, str, int | None]]:
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"SELECT id, body FROM published WHERE status = {WAITING} AND {CONTEXT} = %s ORDER BY added, id LIMIT %s",
            [context, limit],
        )
        rows = cursor.fetchall()
        cursor.execute(
            # Read from each row by itself: a body that was written by hand may not be an object, or be nested too deep for a list.
            "SELECT p.id, l.position FROM json_each(%s) AS claimed CROSS JOIN published p ON p.id = claimed.value "
            "CROSS JOIN messaging_ledger l "
            "ON l.aggregate_id = p.body ->> '$.subject' AND l.version = p.body ->> '$.aggregateversion' "
            "AND substr(p.body ->> '$.type', 1, length(l.aggregate) + 1) = l.aggregate || '.'",
            [json.dumps([row_id for row_id, _ in rows])],
        )
        positions = dict(cursor.fetchall())
    return [(row_id, body, positions.get(row_id)) for row_id, body in rows]


def _mark_sent(using: str, ids: Sequence[Any]) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"UPDATE published SET status = {SENT} WHERE status = {WAITING} AND id IN (SELECT value FROM json_each(%s))",
            [json.dumps(list(ids))],
        )


def install_stamping(connection: BaseDatabaseWrapper) -> None:
    """Nothing to do: SQLite has no stored functions, and no round trips to save."""


def remove_stamping(connection: BaseDatabaseWrapper) -> None:
    """Nothing to do."""


def stamp(using: str, limit: int) -> int:
    """Give the next positions to up to `limit` pending changes of a context and move its head, in its own transaction. The write
    lock is the sequencer's lock. Returns how many."""
    ours = owner(using)
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute(
            # The first context has the id 1, where programs of the last release look for it.
            "INSERT INTO messaging_sequence (id, context, head, floor) SELECT coalesce(max(id), 0) + 1, %s, 0, 0 "
            "FROM messaging_sequence WHERE true ON CONFLICT (context) DO NOTHING",
            [ours],
        )
        cursor.execute(
            """
            UPDATE messaging_ledger SET position = numbered.position FROM (
                SELECT id, row_number() OVER (ORDER BY changed_at, id) + head AS position
                FROM (SELECT id, changed_at FROM messaging_ledger
                    WHERE position IS NULL AND substr(aggregate, 1, instr(aggregate, '.') - 1) = %s
                    ORDER BY changed_at, id LIMIT %s), (SELECT head FROM messaging_sequence WHERE context = %s)
            ) AS numbered WHERE messaging_ledger.id = numbered.id
            """,
            [ours, limit, ours],
        )
        stamped = int(cursor.rowcount)  # the statement must not begin with WITH, or Python's sqlite3 returns -1
        if stamped:
            cursor.execute("UPDATE messaging_sequence SET head = head + %s WHERE context = %s", [stamped, ours])
            cursor.execute(
                "INSERT OR REPLACE INTO messaging_mark (context, position, first, mark, previous) "
                "SELECT context, head, head - %s + 1, lower(hex(randomblob(8))), coalesce((SELECT m.mark FROM messaging_mark m "
                "WHERE m.context = s.context ORDER BY m.position DESC LIMIT 1), '') FROM messaging_sequence s WHERE context = %s",
                [stamped, ours],
            )
        return stamped


def values_source(
    fields: Sequence["models.Field[Any, Any]"], rows: Sequence[Mapping[str, Any]], connection: BaseDatabaseWrapper
) -> tuple[str, list[Any]]:
    """(SQL, parameters) of a SELECT of the rows, from one JSON document as the only parameter."""
    columns = ", ".join(f"json_extract(value, '$[{index}]')" for index in range(len(fields)))
    document = to_json([[_prepared(field, row[field.name], connection) for field in fields] for row in rows]).decode()
    return f"SELECT {columns} FROM json_each(%s) WHERE true", [document]


def _prepared(field: "models.Field[Any, Any]", value: Any, connection: BaseDatabaseWrapper) -> Any:
    if isinstance(field, models.JSONField):
        return None if value is None else json.dumps(value)
    return field.get_db_prep_save(value, connection)


def positions(using: str, aggregate: str, ids: Sequence[str]) -> list[tuple[str, int, int | None]]:
    """The (id, version, position) of each aggregate's latest change."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT aggregate_id, version, position FROM messaging_ledger "
            "WHERE aggregate = %s AND aggregate_id IN (SELECT value FROM json_each(%s))",
            [aggregate, json.dumps(list(ids))],
        )
        return list(cursor.fetchall())
