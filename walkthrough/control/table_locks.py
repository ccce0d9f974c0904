"""Table locks: a long migration that holds one, and how long others wait for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connections, transaction


@contextmanager
def patience(alias: str, seconds: float) -> Iterator[None]:
    """Within the block, a lock that another connection holds for longer raises `OperationalError`: a request's time limit."""
    connection = connections[alias]
    milliseconds = int(seconds * 1000)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{milliseconds}ms"])
        else:
            cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
    try:
        yield
    finally:
        connection.close()  # the next one is opened as the settings say


@contextmanager
def altering_users(context: str) -> Iterator[str]:
    """Add a column to a context's users table in a transaction that is rolled back at the end; yields the table's name."""
    table = apps.get_model(context, "User")._meta.db_table
    with transaction.atomic(using=context), connections[context].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {connections[context].ops.quote_name(table)} ADD COLUMN nickname varchar(200)")
        yield table
        transaction.set_rollback(True, using=context)


def hold(seconds: float) -> None:
    """Wait, like a migration over many rows."""
    time.sleep(seconds)
