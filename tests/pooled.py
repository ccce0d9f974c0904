"""A pooler in transaction mode, as an application meets it: each transaction, and each statement outside one, on another connection
of the server's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

from django.db import connections

#: As many that a statement, the one behind it and the next one's first are on different ones.
SERVERS = 3


@contextmanager
def pooled(alias: str) -> Iterator[None]:
    """Within it this thread's connection of `alias` goes round some of the server's. PostgreSQL only."""
    connection = connections[alias]
    connection.close()
    servers = []
    for _ in range(SERVERS):
        connection.ensure_connection()
        servers.append(connection.connection)
        connection.connection = None
    following = cycle(servers)
    connection.connection = next(following)

    def execute(run: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return run(*arguments)
        finally:
            if not connection.in_atomic_block:
                connection.connection = next(following)

    try:
        with connection.execute_wrapper(execute):
            yield
    finally:
        connection.connection = None
        for server in servers:
            server.close()
