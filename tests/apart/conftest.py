"""Two deployments that know of each other a URL and a token, with roles, databases and broker's users by docs/apart.md's lines."""

import os
import re
import secrets
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from config.env import ROOT
from config.runner.broker_server import broker as embedded
from tests.apart.deployment import Deployment
from tests.delivery.conftest import pytest_runtest_makereport, registered, stack, valkey  # noqa: F401  (fixtures, for the upgrade)
from tests.postgres import postgres

PAGE = (ROOT / "docs" / "apart.md").read_text()
PASSWORD = "change-me"


def block(kind: str) -> str:
    """The page's first listing in this language."""
    found = re.search(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/apart.md has no {kind} listing."
    return found[1]


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server with the page's roles and databases. Their names have a mark, for the server may be shared."""

    url: str
    mark: str

    def as_role(self, context: str, database: str) -> str:
        """The URL of a database (`users`, `users_django`) for a context's own role."""
        there = urlsplit(self.url)
        place = f"{self.mark}{context}_app:{PASSWORD}@{there.hostname}:{there.port or 5432}"
        return f"postgresql://{place}/{self.mark}{database}"

    def named(self, text: str) -> str:
        return re.sub(r"\b(users|billing)(_app|_django)?\b", rf"{self.mark}\g<0>", text)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield from _prepared(given)
    else:
        with postgres() as url:
            yield from _prepared(url)


def _prepared(url: str) -> Iterator[Server]:
    server = Server(url, f"apart_{secrets.token_hex(4)}_")
    made = re.findall(r"CREATE (ROLE|DATABASE) (\w+)", server.named(block("sql")))
    with psycopg.connect(url, autocommit=True) as superuser:
        try:
            for statement in filter(str.strip, server.named(block("sql")).split(";")):
                superuser.execute(statement)  # type: ignore[call-overload]  # the page's own text
            yield server
        finally:
            for kind, name in sorted(made):  # databases first: they belong to roles
                superuser.execute(f"DROP {kind} IF EXISTS {name}{' WITH (FORCE)' if kind == 'DATABASE' else ''}")  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def broker_socket() -> Iterator[str]:
    """A broker with the page's users; the way to it. Its door for everybody is closed."""
    with embedded() as url:
        socket = url.partition("://")[2]
        with redis.Redis(unix_socket_path=socket) as client:
            for line in block("text").splitlines():
                client.execute_command(*shlex.split(line))
            client.execute_command("ACL", "SETUSER", "default", "off")
        yield socket


@pytest.fixture(scope="module")
def users(server: Server, broker_socket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    yield from _deployed("users", server, broker_socket, tmp_path_factory.mktemp("users-box"))


@pytest.fixture(scope="module")
def billing(server: Server, broker_socket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    yield from _deployed("billing", server, broker_socket, tmp_path_factory.mktemp("billing-box"))


def _deployed(context: str, server: Server, broker_socket: str, folder: Path) -> Iterator[Deployment]:
    environment = {
        "CONTEXTS": context,
        "DATABASE_URL": server.as_role(context, f"{context}_django"),
        f"{context.upper()}_DATABASE_URL": server.as_role(context, context),
        "CELERY_BROKER_URL": f"redis+socket://{context}:{PASSWORD}@{broker_socket}",
    }
    deployment = Deployment(f"Procfile.{context}", folder, **environment)
    try:
        yield deployment
    finally:
        deployment.stop()


@pytest.fixture(scope="module")
def started(users: Deployment, billing: Deployment) -> dict[str, str]:
    """Both deployments run, and billing's copy was seeded from users' past; what `bootstrap` said."""
    with ThreadPoolExecutor() as pool:  # each box for itself, as far as it can
        ready = pool.map(_prepare, (users, billing), ("users", "billing"), (("seed", "--users", "200"), None))
        (token, key), (token_of_users, key_of_billing) = ready
        billing.environment |= {"USERS_API_URL": users.url, "USERS_API_TOKEN": token, "USERS_PUBLIC_KEYS": key}
        reads = {"BILLING_API_URL": billing.url, "BILLING_API_TOKEN": token_of_users, "BILLING_PUBLIC_KEYS": key_of_billing}
        users.environment |= reads
        list(pool.map(Deployment.start, (users, billing)))
    assert users.manage("bootstrap", "users", "--from", "billing", "--json")["verdict"] == "in_sync"
    said: dict[str, str] = billing.manage("bootstrap", "billing", "--from", "users", "--json")
    return said


def _prepare(box: Deployment, context: str, filling: tuple[str, ...] | None) -> tuple[str, str]:
    """The page's first start of a box; returns the token that its register's line prints, and its public key."""
    for name in ("default", context):
        box.manage("migrate", "-v0", "--database", name)
    if filling:
        box.manage(*filling)
    lines = re.findall(r"^manage\.py (consumers register .*)$", PAGE, re.MULTILINE)
    (mine,) = [line for line in lines if f" --to {context} " in line]
    told = box.manage("signing_keys", context, "--json")
    return box.manage(*shlex.split(mine), "--json")["token"], ",".join(told["public_keys"])
