"""What a database's error says: that it can't be used now, or that a statement is wrong."""

from django.db import InterfaceError, OperationalError, ProgrammingError

#: PostgreSQL's codes for a table, a column and a schema that aren't there.
NOT_THERE = {"42P01", "42703", "3F000"}
#: Its code for a function that isn't there. A comparison of the wrong types has the same one, so the name has to be ours.
NO_FUNCTION, OUR_FUNCTIONS = "42883", "function messaging_"


def lacks_tables(error: BaseException) -> bool:
    """Whether a table, a column or a function isn't there: the database was never migrated, or not far enough."""
    if isinstance(error, ProgrammingError):
        state = getattr(error.__cause__, "sqlstate", None)
        return state in NOT_THERE or (state == NO_FUNCTION and OUR_FUNCTIONS in str(error))
    return isinstance(error, OperationalError) and ("no such table" in str(error) or "no such column" in str(error))


def unusable(error: BaseException) -> bool:
    """Whether the database is away, or lacks its tables. A statement that is wrong in any other way is a bug, and stays one."""
    if "syntax error" in str(error):  # SQLite has one class for this and for a database that is away
        return False
    return isinstance(error, OperationalError | InterfaceError) or lacks_tables(error)
