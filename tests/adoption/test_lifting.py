"""The steps of `docs/lifting.md` in a project that `startproject` made, with each undo. What is typed is read from the page.

`make test ARGS="-s tests/adoption/test_lifting.py"` prints how long each step takes.
"""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from config.env import ROOT
from config.runner.broker_server import broker as embedded
from tests import schema
from tests.adoption import afternoon
from tests.adoption.afternoon import Step
from tests.adoption.project import HERE, Project, code_lines, databases
from tests.adoption.test_startproject import SIGN_UP, databases_are_real  # noqa: F401  (one is a fixture)

SERVICE = Path("orders") / "views.py"
SETTINGS = 'INSTALLED_APPS += ["orders"]\nDATABASES["default"]["ATOMIC_REQUESTS"] = True\n'
URLS = 'from orders.views import sign_up\n\nurlpatterns += [path("sign-up/", sign_up)]\n'
ADMIN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.create_superuser("admin"))
answer = client.get({!r})
print(answer.status_code, answer.content.decode().count("equal"))
"""
#: Indexes on messaging's own tables, which they have while a database has one context at most.
OF_ONE_CONTEXT = "messaging_legacy_"
pytestmark = pytest.mark.timeout(500)


class State(NamedTuple):
    schema: list[str]  #: the first database's, by line
    settings: list[str]
    packages: set[str]

    def assert_is(self, before: "State") -> None:
        changed = set(self.schema) ^ set(before.schema)
        assert [line for line in sorted(changed) if OF_ONE_CONTEXT not in line] == []
        assert self[1:] == before[1:]


class Shop(Project):
    """A project with a sign-up, and the seconds of each step."""

    publisher = "users"
    copy = "SELECT user_id, is_active FROM billing_cacheduser"

    def make(self) -> None:
        self.start_project()
        shutil.copytree(HERE / "host" / "orders", self.folder / "orders")
        self.add_settings(SETTINGS)
        with (self.folder / "shop" / "urls.py").open("a") as urls:
            urls.write(URLS)
        self.manage("migrate", "-v0")
        self.sign_up("eve")
        self.seconds: dict[str, float] = {}
        self.before: dict[int, State] = {}

    def sign_up(self, name: str) -> None:
        assert int(self.manage("shell", "-v0", "-c", SIGN_UP.format(name))) == 200

    def do(self, step: Step) -> None:
        """Type and paste what the step says."""
        self.before[step.number] = self.state()
        began = time.monotonic()
        if step.installs:
            (self.folder / "messaging").symlink_to(ROOT / "messaging")  # `test_wheel` installs it with pip
        for file, lines in step.lines.items():
            self.paste(file, lines)
        for words in step.commands:
            if words in step.programs:
                self.start(" ".join(words), "manage.py", *words)
            else:
                self.manage(*words)
        self.seconds[f"{step.number}. {step.title}"] = time.monotonic() - began

    def paste(self, file: str, lines: str) -> None:
        """Add lines to the settings, or to the service that writes a user. Its names of broker and database are this machine's."""
        if file == "shop/settings.py":
            own = lines.replace(afternoon.BROKER, self.broker).replace(afternoon.SECOND, f'"NAME": {self.second!r}')
            self.add_settings(f"\n{own}")
            return
        imports, call = lines.rstrip().split("\n\n")
        service = (self.folder / SERVICE).read_text()
        (self.folder / SERVICE).write_text(f"{imports}\n" + service.replace("    if user.", f"    {call}\n    if user.", 1))

    def state(self) -> State:
        packages = {each.name for each in self.folder.iterdir() if (each / "__init__.py").exists()}
        return State(schema.dump_of(self.place()).splitlines(), self.settings.read_text().splitlines(), packages)

    def take_lines_out(self, step: Step) -> None:
        """Bring the settings, the folders and the service back to the time before the step."""
        before = self.before[step.number]
        self.settings.write_text("\n".join(before.settings) + "\n")
        for name in {"users", "billing", "messaging"} - before.packages:
            path = self.folder / name
            if path.is_symlink():
                path.unlink()
            elif path.exists():
                shutil.rmtree(path)

    def undo_and_do_again(self, step: Step) -> None:
        """Type the undo of the step, and check that the database is as before. Then do the step again."""
        for words in step.undo:
            self.manage(*words)
        self.take_lines_out(step)
        self.state().assert_is(self.before[step.number])
        self.do(step)

    def silent_changes(self) -> int:
        """The changes that came without an event, as billing knows."""
        ((number,),) = self.ask("SELECT coalesce(sum(count), 0) FROM messaging_incident WHERE kind = 'silent'")
        return int(number)

    def is_equal(self, *, moved: bool = False) -> None:
        self.wait_until_same(moved=moved)
        assert self.manage("reconcile", "billing", "--from", "users", "--json")["verdict"] == "in_sync"


@pytest.fixture
def shop(tmp_path: Path, request: pytest.FixtureRequest, databases_are_real: None) -> Iterator[Shop]:  # noqa: F811
    with embedded() as broker, databases(tmp_path, request.config.getoption("--engine")) as (database, second):
        made = Shop(tmp_path, broker, database, second)
        try:
            yield made
        finally:
            made.stop()


def test_the_page_counts_its_commands_and_lines() -> None:
    steps = afternoon.steps()
    assert [step.number for step in steps] == list(range(1, 14))
    commands = sum(len(step.commands) + len(step.installs) for step in steps)
    lines = code_lines(*(lines for step in steps for lines in step.lines.values()))
    assert f"{commands} commands and {lines} lines" in re.sub(r"\s+", " ", afternoon.intro())
    assert f"{len(steps)} steps and their undo, {lines} lines to write" in (ROOT / "README.md").read_text()
    assert f"an afternoon in {len(steps)} steps" in (ROOT / "docs" / "index.md").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```sh\nmake lift\n```\n**It gives** x. **Undo:** nothing.", "a line that no test types: make lift"),
        ("```python\nrecord()\n```\n**It gives** x. **Undo:** nothing.", "a listing without a file"),
        ("```sql\nSELECT 1\n```\n**It gives** x. **Undo:** nothing.", "a listing in sql"),
        ("**It gives** x.", "doesn't say how to undo it"),
        ("**Undo:** nothing.", "doesn't say what it gives"),
    ],
)
def test_a_step_that_no_test_could_type_is_an_error(text: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        afternoon.step(1, "Planted", text)


def test_the_steps_of_the_page_and_each_undo(shop: Shop) -> None:
    install, settings, survey, tables, context, record, fill, programs, look, compare, silent, move, leave = afternoon.steps()
    shop.make()
    start = shop.state()
    for step in (install, settings, survey, tables):
        shop.do(step)
    shop.undo_and_do_again(tables)
    shop.do(context)
    shop.undo_and_do_again(context)

    service = (shop.folder / SERVICE).read_text()
    shop.do(record)
    shop.do(fill)
    for words in fill.undo:
        shop.manage(*words)
    shop.do(fill)
    shop.is_equal()

    shop.do(programs)
    shop.sign_up("ada")
    shop.wait_until_same()
    assert shop.ask("SELECT applied FROM messaging_subscription WHERE authority = 'users'") == [(1,)]
    for step in (look, compare):
        shop.do(step)
    (page,) = re.findall(r"`(/admin/[^`]+)`", look.text)
    status, equal = map(int, shop.manage("shell", "-v0", "-c", ADMIN.format(page)).split())
    assert (status, equal >= 2) == (200, True)
    shop.is_equal()

    before = shop.silent_changes()
    shop.do(silent)
    assert shop.ask("SELECT username FROM auth_user WHERE NOT is_active") == [("ada",)]
    assert shop.silent_changes() == before + 1
    shop.is_equal()
    for words in silent.undo:
        shop.manage(*words)
    shop.is_equal()

    shop.stop()
    shop.do(move)
    shop.do(programs)
    shop.sign_up("bob")
    shop.is_equal(moved=True)
    shop.stop()
    shop.take_lines_out(move)
    for words in move.undo:
        shop.manage(*words)
    shop.is_equal()
    shop.do(programs)
    shop.sign_up("cleo")
    shop.is_equal()

    shop.stop()
    (shop.folder / SERVICE).write_text(service)
    (shop.folder / "users" / "feed.py").unlink()
    shop.do(leave)
    for step in (context, settings, install):
        shop.take_lines_out(step)
    shop.state().assert_is(start)
    shop.sign_up("dora")
    print("\n" + "\n".join(f"{name}: {seconds:.1f} s" for name, seconds in shop.seconds.items()))
    print(f"All steps, each once: {sum(shop.seconds.values()):.0f} s")
