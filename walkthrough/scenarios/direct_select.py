"""Billing's copy by reading the other context's database: one SELECT, and everything that it takes for granted.

Inside billing this wouldn't pass `make check`; it is here to be looked at.
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
    """Read users' table, write billing's; returns how many rows. The version isn't in that table, so there is none."""
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
    """SQLite's driver gives a time without a zone, PostgreSQL's one with it: who reads tables has to know."""
    return since if since.tzinfo else since.replace(tzinfo=UTC)


@contextmanager
def year_later() -> Iterator[str]:
    """Users' table as its team left it a year later, in a schema beside today's: `status` is called `standing`. Yields its name."""
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
