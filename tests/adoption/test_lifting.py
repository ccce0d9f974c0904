"""The steps of `docs/lifting.md` in a project that `startproject` made, with each undo. What is typed is read from the page.

`make test ARGS="-s tests/adoption/test_lifting.py"` prints how long each step takes.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.env import ROOT
from config.runner.broker_server import broker as embedded
from tests.adoption import afternoon
from tests.adoption.project import code_lines, databases
from tests.adoption.reader import SERVICE, Shop
from tests.adoption.test_startproject import databases_are_real  # noqa: F401  (a fixture)

ADMIN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.create_superuser("admin"))
answer = client.get({!r})
print(answer.status_code, answer.content.decode().count("equal"))
"""
pytestmark = pytest.mark.timeout(500)


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
    shop.stop("tend billing")
    shop.sign_up("ada")
    shop.wait_until_same()  # by the event: nothing pulls
    assert shop.ask("SELECT applied FROM messaging_subscription WHERE authority = 'users'") == [(1,)]
    shop.start("tend billing", "manage.py", "tend", "billing")
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
