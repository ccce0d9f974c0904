"""Databases and a broker of its own for a benchmark, gone when it ends."""

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from kombu import Connection

#: Whatever waits in them is of another run, and of other databases.
QUEUES = ("users", "billing")
#: Database variable to the database's name.
DATABASES = {
    "DATABASE_URL": "django",
    "USERS_DATABASE_URL": "users",
    "BILLING_DATABASE_URL": "billing",
    "MONOLITH_DATABASE_URL": "monolith",
}


@contextmanager
def surroundings() -> Iterator[None]:
    """Set the environment to fresh databases and a broker; call it before Django is set up. The broker's queues are emptied."""
    with ExitStack() as stack:
        server = os.environ.get("BENCH_POSTGRES_URL")
        if not server:
            from tests.postgres import postgres

            server = stack.enter_context(postgres())
        broker = os.environ.get("BENCH_BROKER_URL")
        if not broker:
            from config.embedded import broker as embedded

            broker = stack.enter_context(embedded())
        stack.callback(_empty, broker)
        _empty(broker)
        mark = uuid.uuid4().hex[:8]
        for variable, name in DATABASES.items():
            database = f"bench_{name}_{mark}"
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{database}"')  # type: ignore[arg-type]
            stack.callback(_drop, server, database)
            os.environ[variable] = f"{server.rpartition('/')[0]}/{database}"
        os.environ.update(
            CELERY_BROKER_URL=broker, DJANGO_SETTINGS_MODULE="config.settings", DEBUG="0", SECRET_KEY=uuid.uuid4().hex * 2
        )
        yield


def _drop(server: str, database: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')  # type: ignore[arg-type]


def _empty(broker: str) -> None:
    with Connection(broker) as connection:
        for name in QUEUES:
            connection.SimpleQueue(name).queue.purge()
