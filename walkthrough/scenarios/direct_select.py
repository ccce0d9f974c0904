"""Fill billing's copy by reading users' database: one SELECT, and all its assumptions.

Inside billing this wouldn't pass `make check`. It is here as a bad example.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connections
from django.utils import timezone

from billing.models import CachedUser
from messaging.database.upsert import upsert_newer
from walkthrough.control.faults import FOLDER

BATCH = 1000
TODAY, YEAR_LATER = "users_user", "year_later.users_user"
QUERY = "SELECT id, status, status_since FROM {table} ORDER BY id"


def copy_directly(table: str = TODAY) -> int:
    """Read users' table and write billing's; returns the number of rows. That table has no version, so every version is 0."""
    copied, now = 0, timezone.now()
    with connections["users"].cursor() as cursor:
        cursor.execute(QUERY.format(table=table))
        while rows := cursor.fetchmany(BATCH):
            values = [
                {
                    "user_id": uuid.UUID(str(user_id)),
                    "status": status,
                    "status_since": _aware(since),
                    "version": 0,
                    "source": CachedUser.Source.BOOTSTRAP.value,
                    "authority_time": _aware(since),
                    "received_at": now,
                }
                for user_id, status, since in rows
            ]
            copied += len(upsert_newer(CachedUser, values, using="billing").applied)
    return copied


def _aware(since: datetime) -> datetime:
    """SQLite's driver returns a time without a zone, PostgreSQL's one with a zone; a reader of tables must know that."""
    return since if since.tzinfo else since.replace(tzinfo=UTC)


@contextmanager
def year_later() -> Iterator[str]:
    """Users' table a year later, in its own schema: its team has renamed `status` to `standing`. Yields its name."""
    connection, file = connections["users"], FOLDER / "year-later.sqlite3"
    sqlite = connection.vendor == "sqlite"
    before = (
        ["ATTACH DATABASE %s AS year_later"] if sqlite else ["DROP SCHEMA IF EXISTS year_later CASCADE", "CREATE SCHEMA year_later"]
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    with connection.cursor() as cursor:
        file.unlink(missing_ok=True)
        for statement in before:
            cursor.execute(statement, [str(file)] if sqlite else None)
        try:
            cursor.execute(f"CREATE TABLE {YEAR_LATER} AS SELECT * FROM {TODAY}")
            cursor.execute(f"ALTER TABLE {YEAR_LATER} RENAME COLUMN status TO standing")
            yield YEAR_LATER
        finally:
            cursor.execute("DETACH DATABASE year_later" if sqlite else "DROP SCHEMA year_later CASCADE")
            file.unlink(missing_ok=True)
