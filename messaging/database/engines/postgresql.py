"""PostgreSQL 14 and newer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from pydantic_core import to_json

from messaging.database import keys
from messaging.database.outbox_pattern import SENT, WAITING, is_envelope, may_be_former
from messaging.database.tracked import Tracked, identifier, literal, quoted_table
from messaging.settings import names_in, owner

NOTIFY_CHANNEL = "messaging_outbox"
#: The declaration of a trigger's function. It runs with the rights of the role that migrated, so writers need none on the ledger.
#: Its search path is fixed, so a writer's own path and temporary tables don't matter.
DEFINED = "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"


def qualified(connection: BaseDatabaseWrapper, table: str) -> str:
    """A table's name with its schema, quoted for SQL if necessary."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.oid = to_regclass(%s)",
            [table],
        )
        return str(cursor.fetchone()[0])


def create_function(connection: BaseDatabaseWrapper, function: str, body: str) -> None:
    """Create or replace a trigger's function. It has its owner's rights, so only the owner may create triggers with it."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE OR REPLACE FUNCTION {function}() {DEFINED} AS $body${body}$body$")
        cursor.execute(f"REVOKE ALL ON FUNCTION {function}() FROM PUBLIC")


def drop_other_triggers(connection: BaseDatabaseWrapper, table: str, prefix: str, keep: Sequence[str]) -> None:
    """Drop the triggers on a table that call a function with this prefix, except those to keep, and functions that are then unused.
    A renamed table keeps its old triggers, and each would count the write."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%%I', t.tgname) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE t.tgrelid = to_regclass(%s) AND t.tgparentid = 0 AND starts_with(p.proname, %s) AND t.tgname <> ALL(%s)",
            [quoted_table(table), prefix, list(keep)],
        )
        for (trigger,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {trigger} ON {quoted_table(table)}")
    _drop_functions(connection, prefix, "NOT EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgfoid = p.oid)")


def _drop_functions(connection: BaseDatabaseWrapper, prefix: str, condition: str = "true") -> None:
    """Drop our trigger functions with this prefix, together with the triggers that call them. A dropped table leaves its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_class c ON c.relnamespace = p.pronamespace "
            "WHERE c.oid = to_regclass('messaging_ledger') AND p.prorettype = 'trigger'::regtype "
            f"AND starts_with(p.proname, %s) AND {condition}",
            [prefix],
        )
        for (function,) in cursor.fetchall():
            cursor.execute(f"DROP FUNCTION {function} CASCADE")


def remove_triggers(connection: BaseDatabaseWrapper, table: str) -> None:
    """Drop the ledger's triggers on a table, which may be gone, and the functions that are then unused."""
    drop_other_triggers(connection, table, "messaging_ledger_", [])


def uninstall(connection: BaseDatabaseWrapper) -> None:
    """Drop all triggers and guards of this database, with their functions."""
    for prefix in ("messaging_ledger_", "messaging_guard_"):
        _drop_functions(connection, prefix)


def wait_at_most(connection: BaseDatabaseWrapper, seconds: float) -> None:
    """Limit how long this transaction waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{max(1, int(seconds * 1000))}ms"])


def oldest_user(connection: BaseDatabaseWrapper, table: str) -> str:
    """Say which transaction has used a table for the longest time; "" if none does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.pid, extract(epoch FROM clock_timestamp() - a.xact_start)::int, a.state FROM pg_locks l "
            "JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.relation = to_regclass(%s) AND l.granted "
            "AND a.datname = current_database() AND a.pid <> pg_backend_pid() ORDER BY a.xact_start LIMIT 1",
            [quoted_table(table)],
        )
        found = cursor.fetchone()
    return f"process {found[0]} has used it for {found[1] or 0} s ({found[2]})" if found else ""


def table_exists(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Return True if it is a table; a view is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_class WHERE oid = to_regclass(%s) AND relkind IN ('r', 'p')", [quoted_table(table)])
        return cursor.fetchone() is not None


#: The time of a change.
NOW = "clock_timestamp()"
#: The context of an outbox row: the first word of its wire type. The claim's index begins with it.
CONTEXT = "split_part(destination, '.', 1)"
#: The condition that release 0.1 may have written an outbox row, which has an index, and that it did.
MAY_BE_FORMER = may_be_former("'9999-12-31 00:00:00+00'")
FORMER_ENVELOPE = MAY_BE_FORMER + " AND " + is_envelope(CONTEXT, "body ->> 'id' = id::text")


def spelled(tracked: Tracked, row: str) -> str:
    """The SQL of a row's key as text, as in the ledger."""
    return keys.PostgreSQL(keys.kind_of_key(tracked.key)).spelled(f'{row}."{tracked.key_column}"')


def _trigger_names(tracked: Tracked) -> tuple[str, str]:
    return identifier(tracked.trigger), identifier(f"{tracked.trigger}_truncate")


class Definition(NamedTuple):
    """A trigger that a tracked table should have. Its function has the same name."""

    name: str
    events: str
    each: str  #: "ROW" or "STATEMENT"
    kind: int  #: `pg_trigger.tgtype`
    body: str  #: of the function, as `pg_proc.prosrc` has it


def definitions(using: str, tracked: Tracked, ledger: str, table: str, *, partitioned: bool) -> list[Definition]:
    """The triggers of a tracked table.

    Parameters
    ----------
    ledger, table
        The names of both tables with their schemas, quoted for SQL.
    """
    key, (rows, truncate) = tracked.key_column, _trigger_names(tracked)
    # A row that moves to another partition is deleted and inserted. It exists when the triggers run, so it wasn't deleted.
    moved = f"""
                IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM {table} t WHERE t."{key}" = OLD."{key}") THEN
                    RETURN NULL;
                END IF;"""
    without = f"- ARRAY[{', '.join(map(literal, tracked.ignored_columns))}]"
    only_ignored = f"""
                IF TG_OP = 'UPDATE' AND (to_jsonb(OLD) {without})::text = (to_jsonb(NEW) {without})::text THEN
                    RETURN NULL;
                END IF;"""
    # A changed key counts as a deletion of the old one. The upsert locks the ledger's row. So two writers of one aggregate queue
    # here, as they do at the aggregate's own row, and no version is given out twice.
    each_row = f"""
            BEGIN{moved if partitioned else ""}{only_ignored if tracked.ignored else ""}
                IF TG_OP <> 'INSERT' AND (TG_OP = 'DELETE' OR OLD."{key}" <> NEW."{key}") THEN
                    INSERT INTO {ledger} AS l (aggregate, aggregate_id, version, announced_version, deleted, changed_at)
                    VALUES (TG_ARGV[0], OLD."{key}"::text, 1, 0, true, clock_timestamp())
                    ON CONFLICT (aggregate, aggregate_id) DO UPDATE
                    SET version = l.version + 1, position = NULL, deleted = true, changed_at = excluded.changed_at;
                END IF;
                IF TG_OP <> 'DELETE' THEN
                    INSERT INTO {ledger} AS l (aggregate, aggregate_id, version, announced_version, deleted, erased, changed_at)
                    VALUES (TG_ARGV[0], NEW."{key}"::text, 1, 0, {tracked.tombstone_sql(using, "NEW")},
                        {tracked.erasure_sql(using)}, clock_timestamp())
                    ON CONFLICT (aggregate, aggregate_id) DO UPDATE
                    SET version = l.version + 1, position = NULL, deleted = l.erased OR excluded.deleted,
                        erased = l.erased OR excluded.erased, changed_at = excluded.changed_at;
                END IF;
                RETURN NULL;
            END """
    # TRUNCATE fires no row trigger, so it needs its own.
    all_rows = f"""
            BEGIN
                UPDATE {ledger}
                SET version = version + 1, position = NULL, deleted = true, changed_at = clock_timestamp()
                WHERE aggregate = TG_ARGV[0] AND NOT deleted;
                RETURN NULL;
            END """
    return [
        Definition(rows, "INSERT OR UPDATE OR DELETE", "ROW", 1 | 4 | 8 | 16, each_row),
        Definition(truncate, "TRUNCATE", "STATEMENT", 32, all_rows),
    ]


def install_trigger(connection: BaseDatabaseWrapper, tracked: Tracked) -> bool:
    """Create or replace the ledger's triggers. Returns True if one was missing before.

    Triggers that are as they should be stay, because creating one waits for the table's writers and keeps out new ones.
    """
    fresh = trigger_missing(connection, tracked)
    ledger = qualified(connection, "messaging_ledger")
    schema = ledger.removesuffix(".messaging_ledger")
    with connection.cursor() as cursor:
        cursor.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)", [tracked.quoted])
        partitioned = cursor.fetchone()[0]
        wanted = definitions(connection.alias, tracked, ledger, qualified(connection, tracked.quoted), partitioned=partitioned)
        for each in wanted:
            create_function(connection, f'{schema}."{each.name}"', each.body)
        # The lock comes last, so that it is short.
        for each in wanted:
            function = f'{schema}."{each.name}"'
            if not _stands(connection, tracked, each.name, function, each.kind):
                cursor.execute(
                    f'CREATE OR REPLACE TRIGGER "{each.name}" AFTER {each.events} ON {tracked.quoted} '
                    f"FOR EACH {each.each} EXECUTE FUNCTION {function}({literal(tracked.aggregate)})"
                )
    drop_other_triggers(connection, tracked.table, "messaging_ledger_", [each.name for each in wanted])
    return fresh


#: The condition that a trigger t is enabled. A partition has a clone of each row trigger, with its name, and may have it disabled.
ENABLED = (
    "t.tgenabled IN ('O', 'A') AND NOT EXISTS (SELECT 1 FROM pg_partition_tree(t.tgrelid) part JOIN pg_trigger clone "
    "ON clone.tgrelid = part.relid AND clone.tgname = t.tgname WHERE clone.tgenabled NOT IN ('O', 'A'))"
)


def _stands(connection: BaseDatabaseWrapper, tracked: Tracked, name: str, function: str, kind: int) -> bool:
    """Return True if the table has this trigger, enabled and for the events of `kind` (`pg_trigger.tgtype`), and it calls this
    function with the model's label."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM pg_trigger t WHERE tgname = %s AND tgrelid = to_regclass(%s) AND {ENABLED} "
            "AND tgtype = %s AND tgfoid = to_regproc(%s) AND tgargs = convert_to(%s, 'UTF8') || '\\x00'::bytea",
            [name, tracked.quoted, kind, function, tracked.aggregate],
        )
        return cursor.fetchone() is not None


def trigger_missing(connection: BaseDatabaseWrapper, tracked: Tracked) -> bool:
    """Return True if one of the triggers is missing or disabled, so writes to the model aren't counted."""
    names = _trigger_names(tracked)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM pg_trigger t WHERE tgname = ANY(%s) AND tgrelid = to_regclass(%s) AND {ENABLED}",
            [list(names), tracked.quoted],
        )
        return bool(cursor.fetchone()[0] < len(names))


def announce(using: str, aggregate: str, ids: Sequence[str]) -> list[tuple[str, int, bool, bool]]:
    """Mark the current versions as announced. Returns (id, version, is a tombstone, was erased)."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_ledger SET announced_version = version WHERE aggregate = %s AND aggregate_id = ANY(%s) "
            "RETURNING aggregate_id, version, deleted, erased",
            [aggregate, list(ids)],
        )
        return list(cursor.fetchall())


#: Planner options that leave only index scans, row by row, until the transaction ends. A queue table's statistics are never
#: current. Right after a burst the planner expects no waiting rows, and sorts all of them at each claim (measured: 30 ms for a
#: claim of 500 instead of 6). After an ANALYZE during a burst it expects only waiting rows, and reads everything that was ever sent
#: (64 ms for one event among 50,000 sent, instead of 2.5).
_OFF: tuple[str, ...] = (
    *("enable_sort", "enable_incremental_sort", "enable_hashjoin", "enable_mergejoin"),
    *("enable_bitmapscan", "enable_seqscan", "jit"),
)
_ALONG_INDEXES = ", ".join(f"set_config('{setting}', 'off', true)" for setting in _OFF)


@contextmanager
def claimed(using: str, context: str, limit: int) -> Iterator[list[tuple[Any, str, int | None]]]:
    """Yield what `claim` returns, in a transaction that ends with the block. Nobody but another relay waits for it."""
    with transaction.atomic(using=using):
        yield claim(using, context, limit)


def claim(using: str, context: str, limit: int) -> list[tuple[Any, str, int | None]]:
    """Mark a context's oldest waiting outbox rows as sent. Returns (id, body, position if it is its aggregate's latest change).

    Several relays share the work: each skips the rows that another one has locked.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {_ALONG_INDEXES}")
        cursor.execute(
            f"""
            WITH claimed AS (
                UPDATE published SET status = {SENT} WHERE id IN (
                    SELECT id FROM published WHERE status = {WAITING} AND {CONTEXT} = %s
                    ORDER BY added, id LIMIT %s FOR UPDATE SKIP LOCKED
                ) RETURNING id, body, added
            )
            SELECT c.id, c.body::text, l.position, extract(epoch FROM c.added)::float8 FROM claimed c LEFT JOIN messaging_ledger l
                ON l.aggregate_id = c.body->>'subject'
                AND l.aggregate = split_part(c.body->>'type', '.', 1) || '.' || split_part(c.body->>'type', '.', 2)
                AND l.version::text = c.body->>'aggregateversion'
            """,
            [context, limit],
        )
        rows = sorted(cursor.fetchall(), key=itemgetter(3, 0))  # sorted here, because the planner's sorts are off
    return [(row_id, body, position) for row_id, body, position, _ in rows]


def install_stamping(connection: BaseDatabaseWrapper) -> None:
    """Create or replace the function that `stamp` calls. It makes a round one round trip, with plans that the connection caches:
    0.5 to 1.0 ms for one event instead of 1.1 to 1.7 (`python -m benchmarks.stages`). Each statement in it sees what was committed
    when the statement began.

    Programs of the last release call it without a context. They find it as long as the database has only one.
    """
    settings = " ".join(f"SET {setting} = off" for setting in _OFF)
    with connection.cursor() as cursor:
        cursor.execute(f"""
            CREATE OR REPLACE FUNCTION messaging_stamp(wanted bigint, ours text) RETURNS bigint LANGUAGE plpgsql {settings}
            AS $body$
            DECLARE
                before bigint;
                given bigint;
            BEGIN
                LOOP
                    SELECT head INTO before FROM messaging_sequence WHERE context = ours FOR UPDATE;
                    EXIT WHEN FOUND;
                    -- The first context has the id 1, where programs of the last release look for it.
                    INSERT INTO messaging_sequence (id, context, head, floor)
                    SELECT coalesce(max(id), 0) + 1, ours, 0, 0 FROM messaging_sequence ON CONFLICT DO NOTHING;
                END LOOP;
                -- A new statement, so it sees every change that was committed before the lock was ours.
                WITH pending AS (
                    SELECT id FROM messaging_ledger WHERE position IS NULL AND split_part(aggregate, '.', 1) = ours
                    ORDER BY changed_at, id LIMIT wanted FOR UPDATE SKIP LOCKED
                ), numbered AS (
                    SELECT id, row_number() OVER () + before AS position FROM pending
                )
                UPDATE messaging_ledger l SET position = n.position FROM numbered n WHERE l.id = n.id;
                GET DIAGNOSTICS given = ROW_COUNT;
                IF given > 0 THEN
                    UPDATE messaging_sequence SET head = before + given WHERE context = ours;
                    INSERT INTO messaging_mark (context, "position", first, mark, previous)
                    SELECT ours, before + given, before + 1, left(replace(gen_random_uuid()::text, '-', ''), 16), coalesce(
                        (SELECT m.mark FROM messaging_mark m WHERE m.context = ours ORDER BY m."position" DESC LIMIT 1), '')
                    ON CONFLICT (context, "position") DO UPDATE
                    SET first = excluded.first, mark = excluded.mark, previous = excluded.previous;
                END IF;
                RETURN given;
            END $body$""")
        here = names_in(connection.alias)
        if len(here) == 1:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION messaging_stamp(wanted bigint) RETURNS bigint LANGUAGE plpgsql AS "
                f"$body$BEGIN RETURN messaging_stamp(wanted, {literal(here[0])}); END $body$"
            )
        else:
            cursor.execute("DROP FUNCTION IF EXISTS messaging_stamp(bigint)")


def remove_stamping(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS messaging_stamp(bigint), messaging_stamp(bigint, text)")


def stamp(using: str, limit: int) -> int:
    """Give the next positions to up to `limit` pending changes of a context and move its head, in its own transaction and under the
    sequencer's lock. Returns how many.

    Locked rows are left for a later round. A writer's lock means another change, which is pending again. But `republish` and
    `purge` lock entries whose changes were committed long ago. A caller that needs all of them must check that none is pending.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT messaging_stamp(%s, %s)", [limit, owner(using)])
        return int(cursor.fetchone()[0])


def values_source(
    fields: Sequence["models.Field[Any, Any]"], rows: Sequence[Mapping[str, Any]], connection: BaseDatabaseWrapper
) -> tuple[str, list[Any]]:
    """(SQL, parameters) of a SELECT of the rows: an array parameter for each column, and one JSON document for columns with the
    same value in all rows. If a column holds JSON, the rows are one document instead.

    Measured (`python -m benchmarks.rows`, pages of 2,000): 10.2 µs a row for the whole upsert, 12.7 with the rows as one document.
    """
    first = rows[0]
    shared = [field for field in fields if len(rows) > 1 and all(row[field.name] is first[field.name] for row in rows)]
    own = [field for field in fields if field not in shared]
    if any(isinstance(field, models.JSONField) for field in own):
        source, parameters = f"json_to_recordset(%s) AS x({_kinds(own, connection)})", [to_json(rows).decode()]
    else:
        arrays = ", ".join(f"%s::{_kind(field, connection)}[]" for field in own)
        source = f"unnest({arrays}) AS x({', '.join(map(_named, own))})"
        parameters = [_array([row[field.name] for row in rows]) for field in own]
    if shared:
        source += f", json_to_record(%s) AS c({_kinds(shared, connection)})"
        parameters.append(to_json({field.name: first[field.name] for field in shared}).decode())
    return f"SELECT {', '.join(map(_named, fields))} FROM {source}", parameters


def _array(values: Sequence[Any]) -> str:
    """PostgreSQL's array literal: like JSON's, but with other brackets and escapes."""
    text = to_json(values).decode()[1:-1]
    if "\\" in text:
        text = ",".join("NULL" if value is None else _quoted(str(value)) for value in values)
    return "{" + text + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _kinds(fields: Sequence["models.Field[Any, Any]"], connection: BaseDatabaseWrapper) -> str:
    return ", ".join(f"{_named(field)} {_kind(field, connection)}" for field in fields)


def _named(field: "models.Field[Any, Any]") -> str:
    return f'"{field.name}"'


def _kind(field: "models.Field[Any, Any]", connection: BaseDatabaseWrapper) -> str:
    """The column's type. Text has no length here: with one, the cast would truncate a long text instead of failing."""
    kind = field.cast_db_type(connection) or "text"
    return "text" if kind.startswith("varchar") else kind


def positions(using: str, aggregate: str, ids: Sequence[str]) -> list[tuple[str, int, int | None]]:
    """The (id, version, position) of each aggregate's latest change."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT aggregate_id, version, position FROM messaging_ledger WHERE aggregate = %s AND aggregate_id = ANY(%s)",
            [aggregate, list(ids)],
        )
        return list(cursor.fetchall())
