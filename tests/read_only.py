"""A database that takes no writes but answers reads: on PostgreSQL for every new connection, as after a failover; on SQLite for
every new connection of this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.signals import connection_created
from psycopg import sql


@contextmanager
def read_only(alias: str) -> Iterator[None]:
    """Let the database of `alias` take no writes during the block. Connections that others keep are cut, as by a failover."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        name = str(connection.settings_dict["NAME"])
        _on_server(name, "ALTER DATABASE {} SET default_transaction_read_only = on")
        try:
            connection.close()
            yield
        finally:
            _on_server(name, "ALTER DATABASE {} RESET default_transaction_read_only")
            connection.close()
        return

    def refuse(sender: Any, connection: Any, **kwargs: Any) -> None:
        if connection.alias == alias:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA query_only = ON")

    connection_created.connect(refuse)
    try:
        connection.close()
        yield
    finally:
        connection_created.disconnect(refuse)
        connection.close()


def _on_server(name: str, statement: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(sql.SQL(statement).format(sql.Identifier(name)))  # type: ignore[arg-type]
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def kept_connection_is_read_only(alias: str) -> None:
    """Let this thread's open connection lead to a demoted server, while a new connection would lead to the new primary."""
    connection = connections[alias]
    connection.close()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        else:
            cursor.execute("PRAGMA query_only = ON")
