"""Empties the databases after a test that commits, instead of Django's flush.

Flush truncates every table and migrates all apps' content types and permissions again. That takes 270 ms with our databases on
PostgreSQL, but most tests write five rows. Here the rows are deleted, and the schema's own rows stay. After a test that wrote a
lot, tables are truncated, because later tests would read over the deleted rows.
"""

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connections, transaction
from django.test import TransactionTestCase

from messaging.database import engines
from messaging.ledger import ledger
from messaging.models import Ledger

#: Made by `migrate`, the same for every test.
KEPT = {ContentType._meta.db_table, Permission._meta.db_table}
#: Bytes of a table's rows on PostgreSQL, dead rows too, from which it is truncated.
LARGE = 100_000


def empty(alias: str) -> None:
    """Delete everything in a database but its schema, and keep the ledger's triggers."""
    connection = connections[alias]
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
    used = _used(connection, tables)
    if any(size >= LARGE for size in used.values()):
        truncated = connection.ops.sql_flush(no_style(), sorted(tables), reset_sequences=False, allow_cascade=False)
        connection.ops.execute_sql_flush(truncated)
        used = {}
    # The ledger comes last: its triggers add entries for the rows deleted before.
    last = tables & {Ledger._meta.db_table}
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        for table in [*sorted(used.keys() - last), *last]:
            cursor.execute(f'DELETE FROM "{table}"')
    _put_triggers_back(alias, tables)


def _used(connection: Any, tables: set[str]) -> dict[str, int]:
    """Return the tables that may have rows, with their bytes."""
    if connection.vendor != "postgresql":
        return dict.fromkeys(tables, 0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname = ANY(%s)",
            [list(tables)],
        )
        return {name: size for name, size in cursor.fetchall() if size}


def _put_triggers_back(alias: str, tables: set[str]) -> None:
    """Put back triggers, because a test may have dropped one."""
    for tracked in ledger.TRACKED.values():
        ours = tracked.table in tables and Ledger._meta.db_table in tables and ledger.alias_of(tracked) == alias
        if ours and engines.for_alias(alias).trigger_missing(connections[alias], tracked):
            ledger.install(alias, tracked)


def _fixture_teardown(case: Any) -> None:
    for alias in case._databases_names(include_mirrors=False):
        empty(alias)


def install() -> None:
    """Make every later `TransactionTestCase` (which `transactional_db` is) empty its databases this way."""
    TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[attr-defined]
