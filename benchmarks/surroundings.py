"""Databases and a broker of its own for a benchmark, gone when it ends."""

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from kombu import Connection

#: Whatever waits in them is of another run, and of other databases.
QUEUES = ("users", "billing")
OURS = "config.settings"
#: The environment's variable that names the templates (`templates`).
TEMPLATE = "BENCH_TEMPLATE"
#: Database variable to the database's name.
DATABASES = {
    "DATABASE_URL": "django",
    "USERS_DATABASE_URL": "users",
    "BILLING_DATABASE_URL": "billing",
    "MONOLITH_DATABASE_URL": "monolith",
}


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """The URLs of PostgreSQL and of the broker: those of `BENCH_POSTGRES_URL` and `BENCH_BROKER_URL`, else ones that come as wheels
    and end with the block."""
    with ExitStack() as stack:
        postgres_url = os.environ.get("BENCH_POSTGRES_URL")
        if not postgres_url:
            from tests.postgres import postgres

            postgres_url = stack.enter_context(postgres())
        broker_url = os.environ.get("BENCH_BROKER_URL")
        if not broker_url:
            from config.runner.broker_server import broker

            broker_url = stack.enter_context(broker())
        yield postgres_url, broker_url


@contextmanager
def templates(server: str) -> Iterator[None]:
    """Migrated databases, made once: from here to the end of the block `migrated` copies them."""
    mark = uuid.uuid4().hex[:8]
    with ExitStack() as stack:
        urls = {}
        for variable, name in DATABASES.items():
            urls[variable] = _create(stack, server, f"bench_template_{mark}_{name}")
        environment = {**os.environ, **urls, "CELERY_BROKER_URL": "memory://", "DJANGO_SETTINGS_MODULE": "config.settings"}
        for alias in ("default", "users", "billing", "monolith"):
            words = [sys.executable, "manage.py", "migrate", "--database", alias, "--verbosity", "0"]
            subprocess.run(words, env=environment, check=True)
        os.environ[TEMPLATE] = f"bench_template_{mark}"
        try:
            yield
        finally:
            del os.environ[TEMPLATE]


@contextmanager
def surroundings(settings: str = OURS) -> Iterator[None]:
    """Set the environment to fresh databases and a broker; call it before Django is set up. The broker's queues are emptied."""
    with ExitStack() as stack:
        server, broker = stack.enter_context(servers())
        stack.callback(_empty, broker)
        _empty(broker)
        mark = uuid.uuid4().hex[:8]
        for variable, name in DATABASES.items():
            template = f"{os.environ[TEMPLATE]}_{name}" if TEMPLATE in os.environ and settings == OURS else "template1"
            os.environ[variable] = _create(stack, server, f"bench_{name}_{mark}", template)
        os.environ.update(
            CELERY_BROKER_URL=broker,
            DJANGO_SETTINGS_MODULE=settings,
            DEBUG="0",
            API_RATE="0",  # one GET per user is to be as quick as it can
            SECRET_KEY=uuid.uuid4().hex * 2,
            # Tokens and locks of its own: a `make run` in this folder has nothing to do with it.
            VAR_DIR=stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)),
        )
        yield


@contextmanager
def migrated(*aliases: str) -> Iterator[None]:
    """`surroundings` with Django set up and these contexts' databases migrated."""
    with surroundings():
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        for alias in () if TEMPLATE in os.environ else ("default", *aliases):
            call_command("migrate", database=alias, verbosity=0)
        try:
            yield
        finally:
            connections.close_all()


def _create(stack: ExitStack, server: str, database: str, template: str = "template1") -> str:
    """Make a database that is gone when the stack is; returns its URL."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')  # type: ignore[arg-type]
    stack.callback(_drop, server, database)
    return f"{server.rpartition('/')[0]}/{database}"


def _drop(server: str, database: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')  # type: ignore[arg-type]


def _empty(broker: str) -> None:
    with Connection(broker) as connection:
        for name in QUEUES:
            connection.SimpleQueue(name).queue.purge()
