"""A project as `startproject` makes it, with its own Celery, outbox rows and tests, gains outbox, feed and copy in its database.

`host/` is the project before, `walkthrough/scenarios/one_database` is all that a team adds. Its database is shared first. Then
billing moves to its own.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection

from config.env import ROOT
from config.runner.broker_server import broker as embedded
from tests.adoption.project import HERE, Project, code_lines, databases
from walkthrough.scenarios import one_database

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


class Shop(Project):
    """A shop whose sign-up is a service of its own."""

    def make(self) -> None:
        self.start_project()
        self.add_settings((HERE / "host" / "settings.txt").read_text())
        shutil.copytree(HERE / "host" / "orders", self.folder / "orders")

    def adopt(self) -> None:
        """Do what the documentation says, and no more."""
        one_database.adopt(self.folder)
        view = self.folder / "orders" / "views.py"
        text = view.read_text().replace("from django.contrib", f"{IMPORTS}from django.contrib", 1)
        view.write_text(text.replace("    if user.username", f"{RECORDS}    if user.username", 1))

    def sign_up(self, name: str) -> int:
        return int(self.manage("shell", "-v0", "-c", SIGN_UP.format(name)))


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
    shop.start_ours("relay", "worker", "scheduler")

    assert [shop.sign_up("ada"), shop.sign_up("refused")] == [200, 500]
    shop.wait_until_same()  # by the event: nothing pulls yet
    assert shop.ask("SELECT count(*) FROM auth_user") == [(31,)]
    assert shop.ask("SELECT applied FROM messaging_subscription WHERE authority = 'accounts'") == [(1,)]
    shop.start_ours("tend")

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

    shop.wait_for_exports(1)
    with Connection(shop.broker) as connection:
        client = connection.default_channel.client
        assert client.llen("later") == 1
    assert shop.ask("SELECT status FROM published WHERE destination = '/queue/orders'") == [(1,)]
