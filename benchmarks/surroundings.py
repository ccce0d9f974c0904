"""Temporary databases and a temporary broker for a benchmark."""

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from kombu import Connection

#: Messages in them are from another run with other databases.
QUEUES = ("users", "billing")
OURS = "config.settings"
#: The environment variable that names the templates (`templates`).
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
    """Yield the URLs of PostgreSQL and of the broker: those in `BENCH_POSTGRES_URL` and `BENCH_BROKER_URL`, or of servers from
    wheels, which end with the block."""
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
    """Make migrated databases once, or take those that the environment names. During the block, `migrated` copies them."""
    if TEMPLATE in os.environ:
        yield
        return
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
    """Set the environment to new databases and a broker with empty queues. Call it before Django is set up."""
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
            API_RATE="0",  # no limit: one GET per user must be as fast as possible
            SECRET_KEY=uuid.uuid4().hex * 2,
            # Its own tokens and locks, apart from a `make run` in this folder.
            VAR_DIR=stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)),
        )
        yield


@contextmanager
def migrated(*aliases: str) -> Iterator[None]:
    """Set up `surroundings` and Django, and migrate these contexts' databases."""
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
    """Make a database, which is dropped at the end of the stack, and return its URL."""
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
