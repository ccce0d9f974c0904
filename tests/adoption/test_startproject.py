"""A project as `startproject` makes it, with its own Celery, outbox rows and tests, gains outbox, feed and copy in its database.

`host/` is the project before, `walkthrough/scenarios/one_database` is all that a team adds. Its database is shared first. Then
billing moves to its own.
"""

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dj_database_url
import psycopg
import pytest
from kombu import Connection

from config.env import ROOT
from config.runner.broker_server import broker as embedded
from tests import warm
from tests.probes import wait_for
from tests.running import surroundings
from walkthrough.scenarios import one_database

HERE = Path(__file__).parent
PATIENCE = 60.0
#: Longer than messaging's own messages may stay unacknowledged.
EXPORT_SECONDS = 14
IMPORTS = "from accounts.events import AccountChanged\nfrom messaging.publisher import record\n"
RECORDS = '    record(AccountChanged(active=user.is_active), subject=user.pk, using="default")\n'
SIGN_UP = """
from django.test import Client
print(Client(raise_request_exception=False, SERVER_NAME="localhost").post("/sign-up/", {{"name": {!r}}}).status_code)
"""
FOREIGN = """
from django_outbox_pattern.models import Published
from shop.celery import app
from orders.tasks import export
from django.contrib.auth.models import User
Published.objects.create(destination="/queue/orders", body={"order": 1})
User.objects.bulk_create(User(username=f"old{n}") for n in range(30))
app.send_task("shop.unknown", queue="later")
export.delay(%d)
"""


@contextmanager
def databases(folder: Path, engine: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Two empty databases: Django's settings of the first, and the second's name."""
    if engine == "sqlite":
        yield {}, str(folder / "billing.sqlite3")
        return
    server = dj_database_url.parse(os.environ["DATABASE_URL"])
    names = [f"shop_{secrets.token_hex(4)}" for _ in range(2)]
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/postgres"
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        try:
            yield {**server, "NAME": names[0]}, names[1]
        finally:
            for name in names:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


class Shop:
    """The host's project, its commands and its programs."""

    def __init__(self, folder: Path, broker: str, database: dict[str, Any], second: str) -> None:
        self.folder, self.database, self.second = folder, database, second
        self.log = folder / "log.txt"
        self.programs: dict[str, warm.Process] = {}
        variables = {"SHOP_BROKER_URL": broker, "SHOP_EXPORTS": str(folder / "exports.txt"), "BILLING_DATABASE": second}
        self.environment = {**surroundings(folder, **variables), "DJANGO_SETTINGS_MODULE": "shop.settings"}
        self.broker = broker

    def make(self) -> None:
        words = [sys.executable, "-m", "django", "startproject", "shop", "."]
        subprocess.run(words, cwd=self.folder, check=True, env={**os.environ, "DJANGO_SETTINGS_MODULE": ""})
        settings = self.folder / "shop" / "settings.py"
        settings.write_text(f"import os\n{settings.read_text()}")
        if self.database:
            self.add_settings(f'\nDATABASES["default"] = {self.database!r}\n')
        self.add_settings((HERE / "host" / "settings.txt").read_text())
        shutil.copy(HERE / "host" / "celery.txt", self.folder / "shop" / "celery.py")
        (self.folder / "shop" / "__init__.py").write_text("from shop.celery import app as celery_app\n")
        shutil.copytree(HERE / "host" / "orders", self.folder / "orders")

    def add_settings(self, lines: str) -> None:
        with (self.folder / "shop" / "settings.py").open("a") as file:
            file.write(lines)

    def adopt(self) -> None:
        """Do what the documentation says, and no more."""
        one_database.adopt(self.folder)
        view = self.folder / "orders" / "views.py"
        text = view.read_text().replace("from django.contrib", f"{IMPORTS}from django.contrib", 1)
        view.write_text(text.replace("    if user.username", f"{RECORDS}    if user.username", 1))

    def manage(self, *words: str, code: int = 0) -> Any:
        """Run a command; returns its last line, as JSON if it is an object."""
        done = warm.run(["manage.py", *words], cwd=self.folder, env=self.environment, timeout=120)
        assert done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}{self.tail()}"
        last = (done.stdout.strip().splitlines() or [""])[-1]
        return json.loads(last) if last.startswith("{") else last

    def sign_up(self, name: str) -> int:
        return int(self.manage("shell", "-v0", "-c", SIGN_UP.format(name)))

    def start(self, name: str, *words: str) -> None:
        with self.log.open("ab") as log:
            self.programs[name] = warm.start(words, cwd=self.folder, env=self.environment, stdout=log, stderr=log)

    def start_ours(self) -> None:
        for name, *words in (("relay", "accounts"), ("worker", "billing"), ("tend", "billing"), ("scheduler",)):
            self.start(name, "manage.py", name, *words)

    def stop(self, *names: str) -> None:
        for name in names or tuple(self.programs):
            program = self.programs.pop(name)
            program.terminate()
            program.wait(timeout=PATIENCE)

    def ask(self, statement: str, *, moved: bool = False) -> list[Any]:
        """Run a statement as a program that isn't Django would; returns its rows."""
        if self.database:
            given = {**self.database, "NAME": self.second if moved else self.database["NAME"]}
            server = f"postgresql://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}"
            connection: Any = psycopg.connect(f"{server}/{given['NAME']}")
        else:
            connection = sqlite3.connect(self.second if moved else self.folder / "db.sqlite3", timeout=30)
        with closing(connection), connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def wait_until_same(self, *, moved: bool = False) -> None:
        """Wait until the copy has every user with the same state."""

        def same() -> bool:
            copied = self.ask("SELECT account_id, active FROM billing_account", moved=moved)
            return sorted(self.ask("SELECT id, is_active FROM auth_user")) == sorted(copied)

        wait_for(same, timeout=PATIENCE, what="billing's copy to equal the users", seen=self.tail)

    def tail(self) -> str:
        return self.log.read_text()[-4000:] if self.log.exists() else ""


@pytest.fixture
def shop(tmp_path: Path, request: pytest.FixtureRequest, databases_are_real: None) -> Iterator[Shop]:
    with embedded() as broker, databases(tmp_path, request.config.getoption("--engine")) as (database, second):
        made = Shop(tmp_path, broker, database, second)
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
def databases_are_real() -> None:
    """No test database is used: the shop has its own."""


def code_lines(*texts: str) -> int:
    return sum(1 for text in texts for line in text.splitlines() if line.strip())


def test_what_a_team_writes_is_short() -> None:
    files = [path for app in one_database.APPS for path in (one_database.FOLDER / app).glob("*.py") if path.name != "__init__.py"]
    assert len(files) == 5
    assert code_lines((one_database.FOLDER / "settings.txt").read_text()) <= 10
    assert code_lines(IMPORTS, RECORDS, *(path.read_text() for path in files)) <= 60


def test_the_documentation_shows_these_files() -> None:
    shown = {line.strip() for line in (ROOT / "docs" / "lifting.md").read_text().splitlines()}
    files = [path for app in one_database.APPS for path in (one_database.FOLDER / app).glob("*.py") if path.name != "__init__.py"]
    written = "\n".join([*(path.read_text() for path in files), RECORDS, (one_database.FOLDER / "settings.txt").read_text()])
    missing = [
        line for line in written.splitlines() if line.strip() not in {*shown, '"BROKER_URL": os.environ["SHOP_BROKER_URL"],'}
    ]
    assert missing == ['INSTALLED_APPS += ["messaging", "accounts", "billing"]']  # the host has the outbox's package already


def test_a_startproject_gains_outbox_feed_and_copy_and_billing_moves_out_by_a_setting(shop: Shop) -> None:
    shop.make()
    shop.manage("migrate", "-v0")
    shop.manage("test", "-v0")
    shop.start("celery", "-m", "celery", "-A", "shop", "worker", "--concurrency", "1")
    shop.manage("shell", "-v0", "-c", FOREIGN % EXPORT_SECONDS)

    shop.adopt()
    shop.manage("makemigrations", "-v0", "billing")
    shop.manage("migrate", "-v0")
    shop.manage("check", "--database", "default")
    shop.manage("test", "-v0")
    shop.manage("consumers", "register", "billing", "--to", "accounts")
    assert shop.manage("bootstrap", "billing", "--from", "accounts", "--json")["verdict"] == "in_sync"
    shop.wait_until_same()
    shop.start_ours()

    assert [shop.sign_up("ada"), shop.sign_up("refused")] == [200, 500]
    shop.wait_until_same()
    assert shop.ask("SELECT count(*) FROM auth_user") == [(31,)]
    assert shop.ask("SELECT applied FROM messaging_subscription WHERE authority = 'accounts'") == [(1,)]

    shop.ask("UPDATE auth_user SET is_active = false WHERE id % 2 = 0")  # no event: the sync process pulls the change
    shop.wait_until_same()
    assert shop.manage("reconcile", "billing", "--from", "accounts", "--json")["verdict"] == "in_sync"
    assert [each["incidents"] for each in shop.manage("status", "--json")["consumers"]] == [1]

    shop.stop("worker", "tend", "relay", "scheduler")
    one_database.add_settings(shop.folder, "moved.txt")
    shop.manage("migrate", "-v0", "--database", "billing")
    shop.manage("consumers", "open", "billing", "--to", "accounts", "--ttl", "1h")
    assert shop.manage("bootstrap", "billing", "--from", "accounts", "--json")["verdict"] == "in_sync"
    shop.start_ours()
    assert shop.sign_up("bob") == 200
    shop.wait_until_same(moved=True)
    assert shop.manage("reconcile", "billing", "--from", "accounts", "--json")["verdict"] == "in_sync"
    shop.manage("test", "-v0")

    exports = shop.folder / "exports.txt"
    wait_for(lambda: "ended" in exports.read_text(), timeout=PATIENCE, what="the host's task to end", seen=shop.tail)
    assert exports.read_text() == "began\nended\n"
    with Connection(shop.broker) as connection:
        client = connection.default_channel.client
        assert client.llen("later") == 1
    assert shop.ask("SELECT status FROM published WHERE destination = '/queue/orders'") == [(1,)]
