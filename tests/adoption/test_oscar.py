"""A shop of django-oscar, set up as its documentation says, adopts `messaging` and gives it up again. Oscar isn't modified.

`oscar/` is the shop: what is installed for it, its settings and its URLs, and the two files that record its sign-ups. The rest of
what it adopts is `walkthrough/scenarios/one_database`. Its packages are installed for this test alone, and its pages are served by
its own web server. It takes minutes, so it runs only when it is asked for: `make test ARGS="-m shop tests/adoption"`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.env import ROOT
from config.runner.broker_server import broker as embedded
from tests import schema
from tests.adoption.customer import Customer
from tests.adoption.project import HERE, Project, code_lines, databases
from tests.running import free_port
from walkthrough.scenarios import one_database

OSCAR = HERE / "oscar"
PASSWORD = "gray-teapot-1815"
CLEAN = "System check identified no issues (0 silenced)."
UNCHANGED = "No changes detected"
STAFF = ("--noinput", "--username", "staff", "--email", "staff@example.org")
#: A project without the outbox's package names it too.
OUTBOX = 'INSTALLED_APPS += ["django_outbox_pattern"]\n'
EXPORT = "from orders.tasks import export; export.delay(0)"


class Shop(Project):
    """A shop of oscar, and the minutes of each step."""

    def __init__(self, packages: Path, *given: Any) -> None:
        super().__init__(*given, PYTHONPATH=str(packages), DJANGO_SUPERUSER_PASSWORD=PASSWORD)
        self.address = f"127.0.0.1:{free_port()}"
        self.seconds: dict[str, float] = {}

    def make(self) -> None:
        self.start_project()
        self.add_settings((OSCAR / "settings.txt").read_text())
        shutil.copy(OSCAR / "urls.txt", self.folder / "shop" / "urls.py")
        (self.folder / "orders").mkdir()
        shutil.copy(HERE / "host" / "orders" / "tasks.py", self.folder / "orders")
        self.add_settings('INSTALLED_APPS += ["orders"]\n')

    def adopt(self) -> None:
        """Add the two contexts, and the receiver of oscar's signal."""
        one_database.adopt(self.folder)
        shutil.copytree(OSCAR / "accounts", self.folder / "accounts", dirs_exist_ok=True)
        self.add_settings(OUTBOX)
        if not self.database:
            self.add_settings((OSCAR / "sqlite.txt").read_text())

    def stop_publishing(self) -> None:
        """Remove the feed and the receiver."""
        for name in ("feed", "receivers", "apps"):
            (self.folder / "accounts" / f"{name}.py").unlink()
        self.open_again()

    def give_up(self, settings: str) -> None:
        """Take all lines and files out again."""
        self.settings.write_text(settings)
        (self.folder / "messaging").unlink()
        for app in one_database.APPS:
            shutil.rmtree(self.folder / app)

    def open(self) -> None:
        """Start its web server, and wait until it answers."""
        self.start("web", "manage.py", "runserver", "--noreload", self.address)
        self.customer().wait_until_open()

    def open_again(self) -> None:
        self.stop("web")
        self.open()

    def customer(self) -> Customer:
        return Customer(f"http://{self.address}")

    def sign_up_and_log_in(self, name: str) -> int:
        """Sign up on oscar's page, and log in with another browser. Returns the user's id."""
        email = f"{name}@example.org"
        self.customer().sign_up(email, PASSWORD)
        self.customer().log_in(email, PASSWORD)
        ((key,),) = self.ask(f"SELECT id FROM auth_user WHERE email = '{email}'")
        return int(key)

    def export(self, number: int) -> None:
        """Give the shop's own Celery a task, its first or second …, and wait until its worker has run it."""
        self.manage("shell", "-v0", "-c", EXPORT)
        self.wait_for_exports(number)

    def check(self) -> None:
        assert self.manage("check", "--database", "default", "--fail-level", "WARNING") == CLEAN
        assert self.manage("makemigrations", "--check", "--dry-run") == UNCHANGED

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began


@pytest.fixture(scope="module")
def packages() -> Iterator[Path]:
    """Oscar and what it requires, beside this project's packages."""
    with tempfile.TemporaryDirectory(prefix="oscar-") as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        install = ["install", "--quiet", "--no-deps", "--no-compile", "--target", folder, "-r", str(OSCAR / "requirements.txt")]
        subprocess.run([*pip, *install], check=True)
        checked = subprocess.run([*pip, "check"], env={**os.environ, "PYTHONPATH": folder}, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout
        yield Path(folder)


@pytest.fixture
def shop(tmp_path: Path, packages: Path, request: pytest.FixtureRequest, databases_are_real: None) -> Iterator[Shop]:
    with embedded() as broker, databases(tmp_path, request.config.getoption("--engine")) as (database, second):
        made = Shop(packages, tmp_path, broker, database, second)
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
def databases_are_real() -> None:
    """No test database is used: the shop has its own."""


def test_what_the_shop_adds_is_short() -> None:
    settings = [(one_database.FOLDER / "settings.txt").read_text(), OUTBOX]
    files = [path for folder in (one_database.FOLDER, OSCAR) for app in one_database.APPS for path in (folder / app).glob("*.py")]
    written = {path.name: path.read_text() for path in files if path.name != "__init__.py"}
    assert len(written) == 7
    assert code_lines(*settings) == 6
    assert code_lines((OSCAR / "sqlite.txt").read_text()) == 5
    assert code_lines(*written.values()) == 44


def test_the_documentation_shows_the_receiver() -> None:
    shown = {line.strip() for line in (ROOT / "docs" / "lifting.md").read_text().splitlines()}
    written = [line for path in (OSCAR / "accounts").glob("*.py") for line in path.read_text().splitlines()]
    assert [line for line in written if line.strip() not in shown] == []


@pytest.mark.shop
@pytest.mark.timeout(1200)
def test_a_shop_of_oscar_adopts_messaging_and_gives_it_up(shop: Shop) -> None:
    with shop.step("the shop is made"):
        shop.make()
        shop.manage("migrate", "-v0")
        shop.manage("createsuperuser", *STAFF)
        shop.check()
        shop.start("celery", "-m", "celery", "-A", "shop", "worker", "--concurrency", "1")
        shop.export(1)
        shop.open()
        ada = shop.sign_up_and_log_in("ada")
    before, settings = schema.dump_of(shop.place()), shop.settings.read_text()

    with shop.step("it adopts messaging"):
        shop.adopt()
        shop.manage("makemigrations", "-v0", "billing")
        shop.manage("migrate", "-v0")
        shop.check()
        shop.open_again()
        shop.manage("consumers", "register", "billing", "--to", "accounts")
        assert shop.manage("bootstrap", "billing", "--from", "accounts", "--json")["verdict"] == "in_sync"
        shop.wait_until_same()
        shop.start_ours("relay", "worker", "scheduler")

    with shop.step("a sign-up"):
        bob = shop.sign_up_and_log_in("bob")
        shop.wait_until_same()  # by the event: nothing pulls yet
    assert shop.ask("SELECT applied FROM messaging_subscription WHERE authority = 'accounts'") == [(1,)]
    shop.start_ours("tend")

    with shop.step("a silent hour"):
        staff = shop.customer()
        staff.log_in("staff@example.org", PASSWORD)
        staff.deactivate(ada, bob)
        assert shop.ask("SELECT id FROM auth_user WHERE NOT is_active ORDER BY id") == [(ada,), (bob,)]
        shop.wait_until_same()
    assert shop.manage("reconcile", "billing", "--from", "accounts", "--json")["verdict"] == "in_sync"
    # None of the logins is a change.
    assert shop.ask("SELECT kind, sum(count) FROM messaging_incident GROUP BY kind") == [("silent", 2)]

    shop.export(2)

    with shop.step("it gives messaging up"):
        shop.manage("consumers", "revoke", "billing", "--to", "accounts")
        shop.stop("relay", "worker", "tend", "scheduler")
        shop.stop_publishing()
        shop.manage("untrack", "accounts.user")
        for app in ("billing", "messaging", "django_outbox_pattern"):
            shop.manage("migrate", "-v0", app, "zero")
        shop.give_up(settings)
        assert schema.dump_of(shop.place()) == before
        shop.check()
        shop.open_again()
    shop.sign_up_and_log_in("cleo")
    shop.export(3)
    print("\n".join(f"{name}: {seconds:.0f} s" for name, seconds in shop.seconds.items()))
