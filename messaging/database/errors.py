"""What a database error means: the database takes nothing now, another transaction collided, or the statement is wrong.

The drivers' error classes don't say it. A server that takes no writes since a failover raises psycopg's `InternalError`. A deadlock
raises `OperationalError`, and so does an unreachable server.
"""

import sqlite3

from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connections

#: PostgreSQL's codes for a missing table, column and schema.
NOT_THERE = {"42P01", "42703", "3F000"}
#: Its code for a missing function. A comparison of the wrong types has the same code, so the function's name must be ours. Only the
#: message has the name, in the server's language.
NO_FUNCTION, OUR_FUNCTIONS = "42883", "messaging_"
#: Its classes of connection errors, of exhausted resources (memory, connections, the disk) and of system errors.
AWAY_CLASSES = ("08", "53", "58")
#: Its code for a server that takes no writes: a standby, or `default_transaction_read_only`.
READ_ONLY = "25006"
#: Its code for a full disk. Such a database still accepts statements that change no row.
FULL = "53100"
#: Its codes for a server that is read-only, ended this session, crashed, starts up, shuts down, or dropped the database.
AWAY = {READ_ONLY, "57P01", "57P02", "57P03", "57P04", "57P05"}
#: Its code for a lock timeout.
LOCK_TIMEOUT = "55P03"
#: Its codes for a serialization failure, a deadlock and a lock timeout.
COLLISIONS = {"40001", "40P01", LOCK_TIMEOUT}
#: Its code for errors that our triggers raise. PostgreSQL's own errors of this class have more specific codes.
INTEGRITY = "23000"
#: SQLite's primary codes: a locked file (5, 6), out of memory (7), read-only (8), an I/O error (10), a corrupt file (11), a full
#: disk (13), a file that can't be opened (14), a locking protocol error (15), a file that isn't a database (26).
SQLITE_BUSY, SQLITE_READ_ONLY, SQLITE_FULL = 5, 8, 13
SQLITE_AWAY = {SQLITE_BUSY, 6, 7, SQLITE_READ_ONLY, 10, 11, SQLITE_FULL, 14, 15, 26}


def takes_nothing(error: BaseException) -> bool:
    """Return True if the database takes nothing now: it is unreachable, full, read-only, or closed the connection. The statement
    may work later, on a new connection; so callers wait, and park or refuse nothing."""
    if isinstance(error, InterfaceError):  # the connection was closed before
        return True
    if not isinstance(error, DatabaseError):
        return False
    number = _sqlite_code(error)
    if number is not None:
        return number in SQLITE_AWAY
    state = _sqlstate(error)
    if state is None:  # no answer: the connection failed or broke
        return isinstance(error, OperationalError) and not lacks_tables(error)
    return state in AWAY or state.startswith(AWAY_CLASSES)


def is_read_only(error: BaseException) -> bool:
    """Return True if the database answers but takes no writes."""
    return _sqlstate(error) == READ_ONLY or _sqlite_code(error) == SQLITE_READ_ONLY


def is_full(error: BaseException) -> bool:
    """Return True if the disk is full. Only the error shows it: a probe that changes no row still works."""
    return _sqlstate(error) == FULL or _sqlite_code(error) == SQLITE_FULL


def gave_up_waiting(error: BaseException) -> bool:
    """Return True if the statement waited too long for a lock, and changed nothing."""
    return _sqlstate(error) == LOCK_TIMEOUT or _sqlite_code(error) == SQLITE_BUSY


def refused_by_trigger(error: BaseException) -> bool:
    """Return True if one of our triggers refused a write."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return _sqlstate(error) == INTEGRITY or code == sqlite3.SQLITE_CONSTRAINT_TRIGGER


def is_away(using: str, error: BaseException) -> bool:
    """Return True if this context's own database takes nothing now. A handler's error may come from another database."""
    return takes_nothing(error) and (is_full(error) or not takes_writes(using))


def let_go() -> None:
    """Close all connections of this thread after one took nothing; Django's error doesn't say which. An old connection may lead to
    a demoted server, which answers but takes no writes; a new one leads to the present primary."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def takes_writes(using: str) -> bool:
    """Return True if a context's database takes a write that changes no row. One that isn't migrated counts too."""
    try:
        with connections[using].cursor() as cursor:
            cursor.execute("UPDATE messaging_sequence SET floor = 0 WHERE id = 0")
    except (DatabaseError, InterfaceError) as error:
        connections[using].close()
        return lacks_tables(error)
    return True


def collided(error: BaseException) -> bool:
    """Return True if another transaction was in the way. A retry may work at once."""
    return isinstance(error, DatabaseError) and _sqlstate(error) in COLLISIONS


def passing(error: BaseException) -> bool:
    """Return True if a retry may work, because the statement itself isn't wrong. That is every `OperationalError`, such as a lock
    timeout, and every error for which `takes_nothing` is true."""
    return isinstance(error, OperationalError) or takes_nothing(error)


def lacks_tables(error: BaseException) -> bool:
    """Return True if a table, column or function is missing: the database isn't migrated, or not far enough."""
    if isinstance(error, ProgrammingError):
        state = _sqlstate(error)
        # Without its hint and the statement, which name our tables.
        message = getattr(getattr(error.__cause__, "diag", None), "message_primary", None) or ""
        return state in NOT_THERE or (state == NO_FUNCTION and OUR_FUNCTIONS in message)
    # SQLite has one code for every statement that it can't prepare. Only the text differs; it is always English.
    return _sqlite_code(error) == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column"))


def unusable(error: BaseException) -> bool:
    """Return True if the database takes nothing now, or lacks tables. Any other wrong statement is a bug."""
    if _sqlite_code(error) == sqlite3.SQLITE_ERROR:  # Django raises one class for a wrong statement and for an unreachable database
        return lacks_tables(error)
    return passing(error) or lacks_tables(error)


def _sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code behind Django's error, if any."""
    return getattr(error.__cause__, "sqlstate", None)


def _sqlite_code(error: BaseException) -> int | None:
    """SQLite's primary code behind Django's error, if any."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
