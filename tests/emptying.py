"""Empties the databases of a test that commits, in place of Django's flush.

Flush truncates every table, large or not, and migrates all apps' content types and permissions into them again: 270 ms for our
databases on PostgreSQL, and most tests wrote five rows. Here the rows are deleted, and what belongs to the schema stays. Where a
test wrote much, tables are truncated as ever: deleted rows would be read over by the tests behind it.
"""

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connections, router, transaction
from django.test import TransactionTestCase

from messaging.database import engines
from messaging.ledger import ledger
from messaging.models import Ledger

#: Made by `migrate`, and the same for every test.
KEPT = {ContentType._meta.db_table, Permission._meta.db_table}
#: Bytes of a table's rows on PostgreSQL, dead ones too, from which on it is truncated.
LARGE = 100_000


def empty(alias: str) -> None:
    """Leave nothing in a database but its schema, with the triggers of the ledger."""
    connection = connections[alias]
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
    used = _used(connection, tables)
    if any(size >= LARGE for size in used.values()):
        truncated = connection.ops.sql_flush(no_style(), sorted(tables), reset_sequences=False, allow_cascade=False)
        connection.ops.execute_sql_flush(truncated)
        used = {}
    # The ledger comes last: its triggers enter what is deleted before.
    last = tables & {Ledger._meta.db_table}
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        for table in [*sorted(used.keys() - last), *last]:
            cursor.execute(f'DELETE FROM "{table}"')
    _put_triggers_back(alias, tables)


def _used(connection: Any, tables: set[str]) -> dict[str, int]:
    """The tables that may hold rows, and how many bytes."""
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
    """A test may have taken one away."""
    for tracked in ledger.TRACKED.values():
        ours = tracked.table in tables and Ledger._meta.db_table in tables and router.allow_migrate_model(alias, tracked.model)
        if ours and engines.for_alias(alias).trigger_missing(connections[alias], tracked):
            ledger.install(alias, tracked)


def _fixture_teardown(case: Any) -> None:
    for alias in case._databases_names(include_mirrors=False):
        empty(alias)


def install() -> None:
    """From now on a `TransactionTestCase`, which is what `transactional_db` is, empties its databases so."""
    TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[attr-defined]
