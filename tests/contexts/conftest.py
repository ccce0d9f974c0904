"""Running users and billing, and a deployment of the context `notifications`."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from tests import warm
from tests.commands.calling import call
from tests.delivery.conftest import living, pytest_runtest_makereport, registered, stack, valkey  # noqa: F401
from tests.delivery.stack import ROOT, Stack
from tests.signing import public_keys


@pytest.fixture
def broker(valkey: str) -> str:  # noqa: F811
    """One broker is enough here: its work for one consumer is tested elsewhere."""
    with Connection(valkey) as connection:
        connection.default_channel.client.flushdb()
    return valkey


class Notifications:
    """The context's processes and commands. Its database is a file, whatever the others have: each context chooses its own."""

    def __init__(self, stack: Stack, folder: Path) -> None:  # noqa: F811
        self.stack, self.file = stack, folder / "notifications.sqlite3"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.contexts.settings",
            "CONTEXTS": "notifications",
            "DATABASE_URL": f"sqlite:///{folder}/django.sqlite3",
            "NOTIFICATIONS_DATABASE_URL": f"sqlite:///{self.file}",
            "VAR_DIR": str(folder),
            "USERS_PUBLIC_KEYS": public_keys("users"),
        }

    def manage(self, *arguments: str, code: int = 0) -> Any:
        """Run a command, check its exit code, and return the JSON of its last line."""
        environment = {**self.stack.environment, **self.environment}
        done = warm.run(["manage.py", *arguments], cwd=ROOT, env=environment, timeout=120)
        assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}{self.stack.tail()}"
        last = (done.stdout.strip().splitlines() or [""])[-1]
        return json.loads(last) if last.startswith("{") else last

    def start(self) -> None:
        self.stack.run("worker-notifications", "manage.py", "worker", "notifications", **self.environment)
        self.stack.run("tend-notifications", "manage.py", "tend", "notifications", **self.environment)

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement in its database, and return the rows."""
        connection = sqlite3.connect(self.file, timeout=30)
        try:
            with connection:
                return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    def register(self) -> str:
        """Register it at users, as a person of users would. Returns its token."""
        kinds = ("created", "suspended", "reactivated", "email_changed", "erased")
        types = ",".join(f"users.user.{kind}.v1" for kind in kinds)
        words = ("--fields", "email,name", "--types", types, "--staleness", "24h", "--json")
        ended = call("consumers", "register", "notifications", "--to", "users", *words)
        assert ended.code == 0, ended.err
        token: str = ended.json["token"]
        self.environment["USERS_API_TOKEN"] = token
        return token


@pytest.fixture
def notifications(living: Stack, tmp_path: Path) -> Notifications:  # noqa: F811
    context = Notifications(living, tmp_path)
    context.manage("migrate", "-v0", "--database", "notifications")
    return context
