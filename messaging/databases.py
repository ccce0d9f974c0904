"""What a database's error says: that the database takes nothing now, that others were in the way, or that a statement is wrong.

Every program asks here, because drivers sort these errors into classes of which none says it: a server that takes no writes since a
failover is psycopg's `InternalError`, and a deadlock is an `OperationalError` as a server that is away is.
"""

from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connections

#: PostgreSQL's codes for a table, a column and a schema that aren't there.
NOT_THERE = {"42P01", "42703", "3F000"}
#: Its code for a function that isn't there. A comparison of the wrong types has the same one, so the name has to be ours.
NO_FUNCTION, OUR_FUNCTIONS = "42883", "function messaging_"
#: Its classes of a connection that broke, of resources that ran out (memory, connections, the disk) and of errors of its system.
AWAY_CLASSES = ("08", "53", "58")
#: Its code for a server that takes no writes: a standby, or `default_transaction_read_only`.
READ_ONLY = "25006"
#: Its code for a full disk. A database that is full still takes what changes no row.
FULL = "53100"
#: Its codes for that, and for a server that ended this session, crashed, starts up or shuts down, or that dropped the database.
AWAY = {READ_ONLY, "57P01", "57P02", "57P03", "57P04", "57P05"}
#: Its codes for a serialization failure, a deadlock, and a lock that somebody else held for too long.
COLLISIONS = {"40001", "40P01", "55P03"}
#: SQLite's primary codes: a file that is locked (5, 6), without memory (7), read-only (8), failed to be read or written (10),
#: broken (11), full (13), not to be opened (14), locked in a way of its own (15), or no database (26).
SQLITE_READ_ONLY, SQLITE_FULL = 8, 13
SQLITE_AWAY = {5, 6, 7, SQLITE_READ_ONLY, 10, 11, SQLITE_FULL, 14, 15, 26}


def takes_nothing(error: BaseException) -> bool:
    """Whether the database takes nothing now: it is away, full, read-only, or ended the connection. The same may work later, on a
    new connection, so nothing is parked, refused or given up for it."""
    if isinstance(error, InterfaceError):  # the connection was closed already
        return True
    if not isinstance(error, DatabaseError):
        return False
    cause: Any = error.__cause__
    number = getattr(cause, "sqlite_errorcode", None)
    if number is not None:
        return number & 0xFF in SQLITE_AWAY
    state = getattr(cause, "sqlstate", None)
    if state is None:  # no answer at all: the connection couldn't be made, or it broke
        return isinstance(error, OperationalError) and not lacks_tables(error)
    return state in AWAY or state.startswith(AWAY_CLASSES)


def is_read_only(error: BaseException) -> bool:
    """Whether the database answers and takes no writes."""
    cause: Any = error.__cause__
    number = getattr(cause, "sqlite_errorcode", None)
    return getattr(cause, "sqlstate", None) == READ_ONLY or (number is not None and number & 0xFF == SQLITE_READ_ONLY)


def is_full(error: BaseException) -> bool:
    """Say if the error is a full disk. No probe is as sure: a write that changes no row needs no room."""
    cause: Any = error.__cause__
    number = getattr(cause, "sqlite_errorcode", None)
    return getattr(cause, "sqlstate", None) == FULL or (number is not None and number & 0xFF == SQLITE_FULL)


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
    return isinstance(error, DatabaseError) and getattr(error.__cause__, "sqlstate", None) in COLLISIONS


def passing(error: BaseException) -> bool:
    """Whether another try may go well, because the statement isn't what is wrong. That is all that the drivers call operational, as
    a lock that was held for too long."""
    return isinstance(error, OperationalError) or takes_nothing(error)


def lacks_tables(error: BaseException) -> bool:
    """Whether a table, a column or a function isn't there: the database was never migrated, or not far enough."""
    if isinstance(error, ProgrammingError):
        state = getattr(error.__cause__, "sqlstate", None)
        return state in NOT_THERE or (state == NO_FUNCTION and OUR_FUNCTIONS in str(error))
    return isinstance(error, OperationalError) and ("no such table" in str(error) or "no such column" in str(error))


def unusable(error: BaseException) -> bool:
    """Whether the database takes nothing now, or lacks its tables. A statement that is wrong in any other way is a bug."""
    if "syntax error" in str(error):  # SQLite has one class for this and for a database that is away
        return False
    return passing(error) or lacks_tables(error)
