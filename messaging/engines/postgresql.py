"""PostgreSQL 14 and newer."""

import json
from collections.abc import Sequence
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from messaging.engines.shape import Tracked

NOTIFY_CHANNEL = "messaging_outbox"
#: Appended to the statement that claims rows: several relays share the work and never wait for each other.
CLAIM_LOCK = "FOR UPDATE SKIP LOCKED"


def install_trigger(connection: BaseDatabaseWrapper, tracked: Tracked) -> bool:
    """Create or replace the ledger's trigger; True where there was none before."""
    table, key, name = tracked.table, tracked.key_column, f"messaging_ledger_{tracked.table}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_trigger WHERE tgname = %s AND tgrelid = %s::regclass", [name, f'"{table}"'])
        fresh = cursor.fetchone() is None
        # A changed key is an erasure of the old one. The upsert takes the ledger row's lock, so two writers of one aggregate
        # queue here (they already queued at the aggregate's own row) and no version is given out twice.
        cursor.execute(f"""
            CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                IF TG_OP <> 'INSERT' AND (TG_OP = 'DELETE' OR OLD."{key}" <> NEW."{key}") THEN
                    INSERT INTO messaging_ledger AS l (aggregate, aggregate_id, version, announced_version, deleted, changed_at)
                    VALUES ('{tracked.label}', OLD."{key}"::text, 1, 0, true, clock_timestamp())
                    ON CONFLICT (aggregate, aggregate_id) DO UPDATE
                    SET version = l.version + 1, position = NULL, deleted = true, changed_at = excluded.changed_at;
                END IF;
                IF TG_OP <> 'DELETE' THEN
                    INSERT INTO messaging_ledger AS l (aggregate, aggregate_id, version, announced_version, deleted, changed_at)
                    VALUES ('{tracked.label}', NEW."{key}"::text, 1, 0, {tracked.tombstone_sql("NEW", "false")}, clock_timestamp())
                    ON CONFLICT (aggregate, aggregate_id) DO UPDATE
                    SET version = l.version + 1, position = NULL, deleted = l.deleted OR excluded.deleted,
                        changed_at = excluded.changed_at;
                END IF;
                RETURN NULL;
            END $body$""")
        cursor.execute(
            f'CREATE OR REPLACE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON "{table}" FOR EACH ROW EXECUTE FUNCTION {name}()'
        )
        # TRUNCATE fires no row trigger, and is a write path like any other.
        cursor.execute(f"""
            CREATE OR REPLACE FUNCTION {name}_truncate() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                UPDATE messaging_ledger
                SET version = version + 1, position = NULL, deleted = true, changed_at = clock_timestamp()
                WHERE aggregate = '{tracked.label}' AND NOT deleted;
                RETURN NULL;
            END $body$""")
        cursor.execute(
            f'CREATE OR REPLACE TRIGGER {name}_truncate AFTER TRUNCATE ON "{table}" '
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_truncate()"
        )
    return fresh


def trigger_missing(connection: BaseDatabaseWrapper, tracked: Tracked) -> bool:
    """Whether writes to the model go unnoticed: the trigger isn't there, or somebody disabled it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_trigger WHERE tgname = %s AND tgrelid = to_regclass(%s) AND tgenabled IN ('O', 'A')",
            [f"messaging_ledger_{tracked.table}", f'"{tracked.table}"'],
        )
        return cursor.fetchone() is None


def backfill(connection: BaseDatabaseWrapper, tracked: Tracked) -> None:
    """Enter rows older than the ledger: version 1, and taken as announced, because their history is gone."""
    with connection.cursor() as cursor:
        cursor.execute(f"""
            INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, changed_at)
            SELECT '{tracked.label}', "{tracked.key_column}"::text, 1, 1, {tracked.tombstone_sql("t", "false")}, clock_timestamp()
            FROM "{tracked.table}" t ON CONFLICT (aggregate, aggregate_id) DO NOTHING""")


def announce(using: str, aggregate: str, ids: Sequence[str]) -> dict[str, int]:
    """Mark the current versions as announced; returns id to version."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_ledger SET announced_version = version WHERE aggregate = %s AND aggregate_id = ANY(%s) "
            "RETURNING aggregate_id, version",
            [aggregate, list(ids)],
        )
        return dict(cursor.fetchall())


def stamp(using: str, limit: int) -> int:
    """Give the next positions to up to `limit` pending changes; the caller holds the lock. Returns how many it stamped.

    Rows that a writer has locked are skipped: their change isn't committed, and they come out of it pending again.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            """
            WITH pending AS (
                SELECT id FROM messaging_ledger WHERE position IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
            ), numbered AS (
                SELECT id, row_number() OVER (ORDER BY id) + (SELECT head FROM messaging_sequence WHERE id = 1) AS position
                FROM pending
            )
            UPDATE messaging_ledger l SET position = n.position FROM numbered n WHERE l.id = n.id
            """,
            [limit],
        )
        return int(cursor.rowcount)


def lock_sequence(using: str) -> None:
    """Take the sequencer's lock until the transaction ends."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT head FROM messaging_sequence WHERE id = 1 FOR UPDATE")
        if cursor.fetchone() is None:
            cursor.execute("INSERT INTO messaging_sequence (id, head) VALUES (1, 0) ON CONFLICT DO NOTHING")
            cursor.execute("SELECT head FROM messaging_sequence WHERE id = 1 FOR UPDATE")


def values_source(
    fields: Sequence["models.Field[Any, Any]"], rows: Sequence[Sequence[Any]], connection: BaseDatabaseWrapper
) -> tuple[str, list[Any]]:
    """(SQL, parameters) of a SELECT that yields the rows: one JSON document, however many there are.

    Measured against one array per column: the client's part takes a third of the time.
    """
    kinds = ", ".join(f"c{number} {_kind(field, connection)}" for number, field in enumerate(fields))
    names = [f"c{number}" for number in range(len(fields))]
    document = json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str, separators=(",", ":"))
    return f"SELECT * FROM json_to_recordset(%s) AS x({kinds})", [document]


def _kind(field: "models.Field[Any, Any]", connection: BaseDatabaseWrapper) -> str:
    """The column's type. Texts without their length, so that what is too long is an error and isn't cut."""
    kind = field.cast_db_type(connection) or "text"
    return "text" if kind.startswith("varchar") else kind


def positions(using: str, aggregate: str, ids: Sequence[str]) -> list[tuple[str, int, int | None]]:
    """(id, version, position) of these aggregates' latest changes."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT aggregate_id, version, position FROM messaging_ledger WHERE aggregate = %s AND aggregate_id = ANY(%s)",
            [aggregate, list(ids)],
        )
        return list(cursor.fetchall())
