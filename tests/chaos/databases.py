"""SQL on a run's databases without Django and `messaging`, because the verdict must not depend on the code that it judges."""

import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

#: The tables that the run's own triggers fill (`watch`), per context.
WATCHED = {
    "users": ("chaos_versions", "chaos_stamps", "chaos_rounds", "chaos_events"),
    "billing": ("chaos_decisions", "chaos_events"),
}


@dataclass(frozen=True)
class Loss:
    """A context's database was set back to a backup of the time `taken`, between `began` and `over`, in seconds since the epoch.
    `rows`: by table, what the run's own tables had right before."""

    context: str
    taken: float
    began: float
    over: float
    rows: dict[str, list[tuple[Any, ...]]]


class Databases:
    """The databases of `users` and `billing`: files in `folder`, or those of `urls` (URL by variable). `losses`: what was lost by
    setting them back, in order."""

    #: Errors that a statement may raise while a database is under a fault.
    errors = (psycopg.Error, sqlite3.Error)

    def __init__(self, folder: Path, urls: dict[str, str]) -> None:
        self.folder = folder
        self.urls = urls
        self.engine = "postgresql" if urls else "sqlite"
        self.losses: list[Loss] = []
        self._taken: dict[str, float] = {}

    def rows(self, context: str, sql: str) -> list[tuple[Any, ...]]:
        """Return a query's rows."""
        if self.urls:
            with psycopg.connect(self._url(context), connect_timeout=10) as connection:
                return connection.execute(sql).fetchall()  # type: ignore[call-overload,no-any-return]
        with closing(sqlite3.connect(self.folder / f"{context}.sqlite3", timeout=30)) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, context: str, statements: Sequence[str]) -> None:
        """Run statements, each on its own."""
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
        """Terminate all or about half of the connections to a context's database, and return their number. PostgreSQL only."""
        with self._server() as server:
            return _cut(server, self._name(context), " AND random() < 0.5" if half else "")

    def read_only(self, context: str, whether: bool) -> int:
        """Stop or allow writes to a context's database, as on a demoted server. Cuts the connections, because a server restarts for
        that; returns their number. PostgreSQL only."""
        change = "SET default_transaction_read_only = on" if whether else "RESET default_transaction_read_only"
        with self._server() as server:
            server.execute(f'ALTER DATABASE "{self._name(context)}" {change}')
        return self.cut(context, half=False)

    def back_up(self, context: str) -> None:
        """Back up a context's database. PostgreSQL copies a database only while nobody is connected, so connections are cut."""
        taken, backup = time.time(), f"{context}-backup"
        if self.urls:
            with self._server() as server, _closed(server, self._name(context)):
                server.execute(f'CREATE DATABASE "{self._name(backup)}" TEMPLATE "{self._name(context)}"')
        else:
            self._copy(context, backup)
        self._taken[context] = taken

    def put_back(self, context: str) -> Loss:
        """Set a context's database back to its backup. On PostgreSQL the two are swapped, and connections are cut. On SQLite the
        file's content is replaced in one transaction, and nobody may write meanwhile."""
        began, lost, backup = time.time(), f"{context}-lost", f"{context}-backup"
        if self.urls:
            name, gone = self._name(context), self._name(lost)
            with self._server() as server:
                with _closed(server, name), server.transaction():
                    server.execute(f'ALTER DATABASE "{name}" RENAME TO "{gone}"')
                    server.execute(f'ALTER DATABASE "{self._name(backup)}" RENAME TO "{name}"')
                over = time.time()
                server.execute(f'ALTER DATABASE "{gone}" ALLOW_CONNECTIONS true')
                rows = self._watched(context, lost)
                server.execute(f'DROP DATABASE "{gone}"')
        else:
            self._copy(context, lost)
            self._copy(backup, context)
            over, rows = time.time(), self._watched(context, lost)
        loss = Loss(context, self._taken.pop(context), began, over, rows)
        self.losses.append(loss)
        return loss

    def free(self, context: str) -> bool:
        """Return True if no connection has the write lock. SQLite only."""
        with closing(sqlite3.connect(self.folder / f"{context}.sqlite3", timeout=0)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
        return True

    def forget_backups(self) -> None:
        """Drop backups that aren't needed any more, because they would stay on a server that isn't the run's own."""
        if self.urls and self._taken:
            with self._server() as server:
                for context in self._taken:
                    server.execute(f'DROP DATABASE IF EXISTS "{self._name(f"{context}-backup")}"')

    def _watched(self, context: str, lost: str) -> dict[str, list[tuple[Any, ...]]]:
        return {table: self.rows(lost, f"SELECT * FROM {table}") for table in WATCHED[context]}

    def _copy(self, source: str, target: str) -> None:
        """Copy a SQLite file's content into another file, which others may have open."""
        with (
            closing(sqlite3.connect(self.folder / f"{source}.sqlite3")) as one,
            closing(sqlite3.connect(self.folder / f"{target}.sqlite3")) as other,
        ):
            one.backup(other)

    @contextmanager
    def _server(self) -> "Iterator[psycopg.Connection[Any]]":
        url = urlsplit(self._url("users"))._replace(path="/postgres").geturl()
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            yield connection

    def _name(self, context: str) -> str:
        return urlsplit(self._url(context)).path[1:]

    def _url(self, context: str) -> str:
        """Return the URL of a context's database; `users-lost` is what `users` lost."""
        context, dash, kept = context.partition("-")
        return self.urls[f"{context.upper()}_DATABASE_URL"] + dash.replace("-", "_") + kept


@contextmanager
def _closed(server: "psycopg.Connection[Any]", name: str) -> Iterator[None]:
    """Keep everyone out of a PostgreSQL database during the block: cut connections, and allow no new ones."""
    server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    try:
        _cut(server, name)
        yield
    finally:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def _cut(server: "psycopg.Connection[Any]", name: str, some: str = "") -> int:
    query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid(){some}"
    return len(server.execute(query, [name]).fetchall())


def key(value: Any) -> str:
    """Return an id in one spelling; SQLite stores it as 32 digits."""
    return str(value if isinstance(value, uuid.UUID) else uuid.UUID(str(value)))


def moment(value: Any) -> datetime:
    """Return a time in UTC; SQLite stores it as text."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
