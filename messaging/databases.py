"""What a database's error says: that it can't be used now, or that a statement is wrong."""

from django.db import InterfaceError, OperationalError, ProgrammingError

#: PostgreSQL's codes for a table, a column, a schema and a function that aren't there.
NOT_THERE = {"42P01", "42703", "3F000", "42883"}


def lacks_tables(error: BaseException) -> bool:
    """Whether a table, a column or a function isn't there: the database was never migrated, or not far enough."""
    if isinstance(error, ProgrammingError):
        return getattr(error.__cause__, "sqlstate", None) in NOT_THERE
    return isinstance(error, OperationalError) and ("no such table" in str(error) or "no such column" in str(error))


def unusable(error: BaseException) -> bool:
    """Whether the database is away, or lacks its tables. A statement that is wrong in any other way is a bug, and stays one."""
    if "syntax error" in str(error):  # SQLite has one class for this and for a database that is away
        return False
    return isinstance(error, OperationalError | InterfaceError) or lacks_tables(error)


def brief(error: BaseException) -> str:
    """The error's first line, without its full stop."""
    return (next(iter(str(error).splitlines()), "") or type(error).__name__).rstrip(".")
