"""SQL on a run's databases, past Django and past `messaging`: what judges the system uses nothing of it."""

import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg


class Databases:
    """The databases of `users` and `billing`: files in `folder`, or those of `urls` (variable to URL)."""

    #: What a statement may raise while a database is under a fault.
    errors = (psycopg.Error, sqlite3.Error)

    def __init__(self, folder: Path, urls: dict[str, str]) -> None:
        self.folder = folder
        self.urls = urls
        self.engine = "postgresql" if urls else "sqlite"

    def rows(self, context: str, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        if self.urls:
            with psycopg.connect(self._url(context), connect_timeout=10) as connection:
                return connection.execute(sql).fetchall()  # type: ignore[call-overload,no-any-return]
        with closing(sqlite3.connect(self.folder / f"{context}.sqlite3", timeout=30)) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, context: str, statements: Sequence[str]) -> None:
        """Statements, each for itself."""
        if self.urls:
            with psycopg.connect(self._url(context), autocommit=True, connect_timeout=10) as connection:
                for statement in statements:
                    connection.execute(statement)  # type: ignore[call-overload]
            return
        with closing(sqlite3.connect(self.folder / f"{context}.sqlite3", timeout=30)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def cut(self, context: str, *, half: bool) -> int:
        """Terminate the connections to a context's database, or about half of them; returns how many. PostgreSQL only."""
        url = urlsplit(self._url(context))
        some = " AND random() < 0.5" if half else ""
        query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid(){some}"
        with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True, connect_timeout=10) as connection:
            return len(connection.execute(query, [url.path.lstrip("/")]).fetchall())  # type: ignore[call-overload]

    def read_only(self, context: str, whether: bool) -> int:
        """Let a context's database take no writes, as a server that was demoted, or take them again. Connections are cut, for a
        server restarts for that; returns how many. PostgreSQL only."""
        url = urlsplit(self._url(context))
        change = "SET default_transaction_read_only = on" if whether else "RESET default_transaction_read_only"
        with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True, connect_timeout=10) as connection:
            connection.execute(f'ALTER DATABASE "{url.path[1:]}" {change}')
        return self.cut(context, half=False)

    def _url(self, context: str) -> str:
        return self.urls[f"{context.upper()}_DATABASE_URL"]


def key(value: Any) -> str:
    """An id in its one spelling: SQLite has it as 32 digits."""
    return str(value if isinstance(value, uuid.UUID) else uuid.UUID(str(value)))


def moment(value: Any) -> datetime:
    """A time in UTC: SQLite has it as text."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
