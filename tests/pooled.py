"""A pooler in transaction mode, as an application sees it: every transaction, and every statement outside one, may use another
connection of the server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

from django.db import connections

#: Enough connections that a statement, the next one and the first one after that use different connections.
SERVERS = 3


@contextmanager
def pooled(alias: str) -> Iterator[None]:
    """Make this thread's connection of `alias` alternate between several server connections during the block. PostgreSQL only."""
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
