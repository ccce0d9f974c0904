"""A shop of django-oscar, set up as its documentation says, adopts `messaging` and gives it up again. Oscar isn't modified.

`oscar/` is the shop: what is installed for it, its settings and its URLs, and the two files that record its sign-ups. The rest of
what it adopts is written by `startcontext`. What is typed is read from the steps of `docs/lifting.md`. The shop's packages are
installed for this test alone, and its pages are served by its own web server. It takes minutes, so it runs only when it is asked
for: `make test ARGS="-m shop tests/adoption"`.
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
from tests.adoption import afternoon
from tests.adoption.customer import Customer
from tests.adoption.project import HERE, Project, code_lines, databases
from tests.running import free_port

OSCAR = HERE / "oscar"
STEPS = afternoon.steps()
PASSWORD = "gray-teapot-1815"
CLEAN = "System check identified no issues (0 silenced)."
UNCHANGED = "No changes detected"
STAFF = ("--noinput", "--username", "staff", "--email", "staff@example.org")
WRITTEN = ("users", "billing")
EXPORT = "from orders.tasks import export; export.delay(0)"


class Shop(Project):
    """A shop of oscar, and the seconds of each step."""

    publisher = "users"
    copy = "SELECT user_id, is_active FROM billing_cacheduser"

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
        """Type the page's steps from the settings to the new context. Then add the receiver of oscar's signal."""
        (self.folder / "messaging").symlink_to(ROOT / "messaging")
        if not self.database:
            self.add_settings((OSCAR / "sqlite.txt").read_text())
        for step in STEPS[1:5]:
            for lines in step.lines.values():
                self.add_settings(f"\n{lines.replace(afternoon.BROKER, self.broker)}")
            for words in step.commands:
                self.manage(*words)
        shutil.copytree(OSCAR / "users", self.folder / "users", dirs_exist_ok=True)

    def stop_publishing(self) -> None:
        """Remove the feed and the receiver."""
        for name in ("feed", "receivers", "apps"):
            (self.folder / "users" / f"{name}.py").unlink()
        self.open_again()

    def give_up(self, settings: str) -> None:
        """Take all lines and files out again."""
        self.settings.write_text(settings)
        (self.folder / "messaging").unlink()
        for app in WRITTEN:
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


def receiver() -> list[str]:
    return [path.read_text() for path in (OSCAR / "users").glob("*.py")]


def test_what_the_shop_adds_by_hand_is_short() -> None:
    assert code_lines(*STEPS[1].lines.values()) == 2
    assert code_lines((OSCAR / "sqlite.txt").read_text()) == 5
    assert code_lines(*receiver()) == 12


def test_the_documentation_shows_the_receiver() -> None:
    shown = {line.strip() for line in afternoon.PAGE.read_text().splitlines()}
    assert [line for text in receiver() for line in text.splitlines() if line.strip() not in shown] == []


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
        shop.check()
        shop.open_again()
        for words in STEPS[6].commands:
            shop.manage(*words)
        shop.wait_until_same()
        shop.start_ours("relay", "worker", "scheduler")

    with shop.step("a sign-up"):
        bob = shop.sign_up_and_log_in("bob")
        shop.wait_until_same()  # by the event: nothing pulls yet
    assert shop.ask("SELECT applied FROM messaging_subscription WHERE authority = 'users'") == [(1,)]
    shop.start_ours("tend")

    with shop.step("a silent hour"):
        staff = shop.customer()
        staff.log_in("staff@example.org", PASSWORD)
        staff.deactivate(ada, bob)
        assert shop.ask("SELECT id FROM auth_user WHERE NOT is_active ORDER BY id") == [(ada,), (bob,)]
        shop.wait_until_same()
    assert shop.manage("reconcile", "billing", "--from", "users", "--json")["verdict"] == "in_sync"
    # None of the logins is a change.
    assert shop.ask("SELECT kind, sum(count) FROM messaging_incident GROUP BY kind") == [("silent", 2)]

    shop.export(2)

    with shop.step("it gives messaging up"):
        shop.stop("relay", "worker", "tend", "scheduler")
        shop.stop_publishing()
        for words in STEPS[12].commands:
            shop.manage(*words)
        shop.give_up(settings)
        assert schema.dump_of(shop.place()) == before
        shop.check()
        shop.open_again()
    shop.sign_up_and_log_in("cleo")
    shop.export(3)
    print("\n".join(f"{name}: {seconds:.0f} s" for name, seconds in shop.seconds.items()))
