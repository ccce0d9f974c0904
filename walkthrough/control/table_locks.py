"""Locks, as one process holds them and another one waits: a migration that takes its time, and how long others put up with it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connections, transaction


@contextmanager
def patience(alias: str, seconds: float) -> Iterator[None]:
    """Within it this thread waits no longer than that for somebody else's lock in a database: `OperationalError`. A web server's
    time limit does the same to its requests."""
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
    """A context's users' table while a column is added to it, in a transaction that stays open; yields the table's name. It is
    rolled back in the end."""
    table = apps.get_model(context, "User")._meta.db_table
    with transaction.atomic(using=context), connections[context].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {connections[context].ops.quote_name(table)} ADD COLUMN nickname varchar(200)")
        yield table
        transaction.set_rollback(True, using=context)


def hold(seconds: float) -> None:
    """As long as a migration over many rows would take."""
    time.sleep(seconds)
