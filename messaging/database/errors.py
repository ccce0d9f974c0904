"""What a database's error says: that the database takes nothing now, that others were in the way, or that a statement is wrong.

Every program asks here, because drivers sort these errors into classes of which none says it: a server that takes no writes since a
failover is psycopg's `InternalError`, and a deadlock is an `OperationalError` as a server that is away is.
"""

import sqlite3

from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connections

#: PostgreSQL's codes for a table, a column and a schema that aren't there.
NOT_THERE = {"42P01", "42703", "3F000"}
#: Its code for a function that isn't there. A comparison of the wrong types has the same one, so the name has to be ours. It has no
#: field for a function's name: that stands in the message, which is in the server's language.
NO_FUNCTION, OUR_FUNCTIONS = "42883", "messaging_"
#: Its classes of a connection that broke, of resources that ran out (memory, connections, the disk) and of errors of its system.
AWAY_CLASSES = ("08", "53", "58")
#: Its code for a server that takes no writes: a standby, or `default_transaction_read_only`.
READ_ONLY = "25006"
#: Its code for a full disk. A database that is full still takes what changes no row.
FULL = "53100"
#: Its codes for that, and for a server that ended this session, crashed, starts up or shuts down, or that dropped the database.
AWAY = {READ_ONLY, "57P01", "57P02", "57P03", "57P04", "57P05"}
#: Its code for a lock that somebody else held for too long.
LOCK_TIMEOUT = "55P03"
#: Its codes for a serialization failure, a deadlock, and that.
COLLISIONS = {"40001", "40P01", LOCK_TIMEOUT}
#: Its code for what a trigger of ours raises. It raises none of this class without a code of its own.
INTEGRITY = "23000"
#: SQLite's primary codes: a file that is locked (5, 6), without memory (7), read-only (8), failed to be read or written (10),
#: broken (11), full (13), not to be opened (14), locked in a way of its own (15), or no database (26).
SQLITE_BUSY, SQLITE_READ_ONLY, SQLITE_FULL = 5, 8, 13
SQLITE_AWAY = {SQLITE_BUSY, 6, 7, SQLITE_READ_ONLY, 10, 11, SQLITE_FULL, 14, 15, 26}


def takes_nothing(error: BaseException) -> bool:
    """Whether the database takes nothing now: it is away, full, read-only, or ended the connection. The same may work later, on a
    new connection, so nothing is parked, refused or given up for it."""
    if isinstance(error, InterfaceError):  # the connection was closed already
        return True
    if not isinstance(error, DatabaseError):
        return False
    number = _sqlite_code(error)
    if number is not None:
        return number in SQLITE_AWAY
    state = _sqlstate(error)
    if state is None:  # no answer at all: the connection couldn't be made, or it broke
        return isinstance(error, OperationalError) and not lacks_tables(error)
    return state in AWAY or state.startswith(AWAY_CLASSES)


def is_read_only(error: BaseException) -> bool:
    """Whether the database answers and takes no writes."""
    return _sqlstate(error) == READ_ONLY or _sqlite_code(error) == SQLITE_READ_ONLY


def is_full(error: BaseException) -> bool:
    """Say if the error is a full disk. No probe is as sure: a write that changes no row needs no room."""
    return _sqlstate(error) == FULL or _sqlite_code(error) == SQLITE_FULL


def gave_up_waiting(error: BaseException) -> bool:
    """Whether somebody else held a lock for too long, so that nothing was done."""
    return _sqlstate(error) == LOCK_TIMEOUT or _sqlite_code(error) == SQLITE_BUSY


def refused_by_trigger(error: BaseException) -> bool:
    """Whether a trigger of ours refused a write."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return _sqlstate(error) == INTEGRITY or code == sqlite3.SQLITE_CONSTRAINT_TRIGGER


def is_away(using: str, error: BaseException) -> bool:
    """Whether it is this context's database that takes nothing now: a handler may ask another one."""
    return takes_nothing(error) and (is_full(error) or not takes_writes(using))


def let_go() -> None:
    """Close this thread's connections after one took nothing. One that was kept may lead to a server that was demoted,
    which answers and takes no writes; a new one leads to where the primary is now. Django forgets which one it was."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def takes_writes(using: str) -> bool:
    """Whether a context's database takes a write now, by one that changes no row. One that isn't migrated is there all the same."""
    try:
        with connections[using].cursor() as cursor:
            cursor.execute("UPDATE messaging_sequence SET floor = 0 WHERE id = 0")
    except (DatabaseError, InterfaceError) as error:
        connections[using].close()
        return lacks_tables(error)
    return True


def collided(error: BaseException) -> bool:
    """Whether others were in the way: the same statement, again, may work at once."""
    return isinstance(error, DatabaseError) and _sqlstate(error) in COLLISIONS


def passing(error: BaseException) -> bool:
    """Whether another try may go well, because the statement isn't what is wrong. That is all that the drivers call operational, as
    a lock that was held for too long."""
    return isinstance(error, OperationalError) or takes_nothing(error)


def lacks_tables(error: BaseException) -> bool:
    """Whether a table, a column or a function isn't there: the database was never migrated, or not far enough."""
    if isinstance(error, ProgrammingError):
        state = _sqlstate(error)
        # Without its hint and the line that it quotes, which name tables of ours.
        message = getattr(getattr(error.__cause__, "diag", None), "message_primary", None) or ""
        return state in NOT_THERE or (state == NO_FUNCTION and OUR_FUNCTIONS in message)
    # SQLite has one code for every statement that it can't prepare, so its text has to tell them apart. It is always English.
    return _sqlite_code(error) == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column"))


def unusable(error: BaseException) -> bool:
    """Whether the database takes nothing now, or lacks its tables. A statement that is wrong in any other way is a bug."""
    if _sqlite_code(error) == sqlite3.SQLITE_ERROR:  # Django has one class for a wrong statement and for a database that is away
        return lacks_tables(error)
    return passing(error) or lacks_tables(error)


def _sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code behind Django's error; None where it gave none."""
    return getattr(error.__cause__, "sqlstate", None)


def _sqlite_code(error: BaseException) -> int | None:
    """SQLite's primary code behind Django's error; None where it gave none."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
