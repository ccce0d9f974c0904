"""Finds a pooler that gives each transaction another connection to PostgreSQL, as pgbouncer does with `pool_mode = transaction`.

No pooler says so to its clients. But it has to make up the process id that each client gets at its start, and clients take turns on
one connection, which no client of a server does.
"""

from contextlib import closing

from django.db.backends.base.base import BaseDatabaseWrapper


def shares_connections(connection: BaseDatabaseWrapper) -> bool:
    """Return True if two clients were seen on one connection of the server, or one client on two.

    Without a pooler this is one round trip. With one, it opens a second connection for a moment. False is no proof, because a
    pooler may give each client the same connection again while it has enough of them. Call it outside a transaction.
    """
    first = _process(connection)
    if first == connection.connection.info.backend_pid:
        return False
    with closing(connection.copy()) as other:
        second = _process(other)
    return second == first or _process(connection) != first


def _process(connection: BaseDatabaseWrapper) -> int:
    """The process of the server that runs this statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
