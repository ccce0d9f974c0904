"""A full disk, for SQLite: the file may not grow (`PRAGMA max_page_count`, which holds for a connection and is asked for again by
each), and SQLite answers as it does on a full disk: "database or disk is full", SQLITE_FULL.

A limit on the process's files (RLIMIT_FSIZE) isn't the same: SQLite calls that an I/O error.
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
    """`django.db.backends.sqlite3.base`: before each statement, the connection hears whether the disk is full."""
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
        """Knows whether it was told, and of which file it is."""

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
        # SQLite takes no number below the file's present size, so 1 is "no further".
        connection.execute(f"PRAGMA max_page_count = {1 if full else MOST}")


BENDS = {"django.db.backends.sqlite3.base": can_be_full}
