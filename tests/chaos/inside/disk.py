"""A full disk for SQLite: the file can't grow (`PRAGMA max_page_count`, which each connection must set), and SQLite answers as on a
full disk: "database or disk is full", SQLITE_FULL.

A limit on the process's files (RLIMIT_FSIZE) isn't the same: SQLite reports that as an I/O error.
"""

from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.chaos.inside import Switch

#: SQLite's own limit.
MOST = 4_294_967_294
_full: dict[str, Switch] = {}


def can_be_full(base: ModuleType) -> None:
    """Change `django.db.backends.sqlite3.base`, so that a connection checks the switch before each statement."""
    cursor = base.SQLiteCursorWrapper
    real, many = cursor.execute, cursor.executemany

    @wraps(real)
    def execute(self: Any, *arguments: Any, **words: Any) -> Any:
        _tell(self.connection)
        return real(self, *arguments, **words)

    @wraps(many)
    def executemany(self: Any, *arguments: Any, **words: Any) -> Any:
        _tell(self.connection)
        return many(self, *arguments, **words)

    class Connection(base.Database.Connection):  # type: ignore[name-defined,misc]
        """Remembers if the limit is set, and for which file."""

        told = False
        alias = ""

    connect = base.DatabaseWrapper.get_new_connection

    @wraps(connect)
    def connected(self: Any, parameters: dict[str, Any]) -> Any:
        opened = connect(self, {**parameters, "factory": Connection})
        opened.alias = Path(parameters["database"]).stem
        return opened

    cursor.execute, cursor.executemany = execute, executemany
    base.DatabaseWrapper.get_new_connection = connected


def _tell(connection: Any) -> None:
    alias = getattr(connection, "alias", "")
    if not alias:
        return
    full = bool(_full.setdefault(alias, Switch("full", alias)).read())
    if full != connection.told:
        connection.told = full
        # SQLite accepts no limit below the file's present size, so 1 means "no further".
        connection.execute(f"PRAGMA max_page_count = {1 if full else MOST}")


BENDS = {"django.db.backends.sqlite3.base": can_be_full}
