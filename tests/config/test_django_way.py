"""The project as a Django developer starts it, without make: `migrate`, `runserver`, `test`."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from config.env import ROOT
from config.management.commands import test as test_command
from config.management.commands.runserver import Beside
from messaging.management.base import WrongUsage
from tests import warm
from tests.probes import wait_for
from tests.running import Run, end, free_port, surroundings

DATABASES = ("default", "users", "billing", "monolith")
Migrated = tuple[Path, "subprocess.CompletedProcess[str]"]


def manage(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = warm.run(["manage.py", *arguments], cwd=ROOT, env=surroundings(folder, **environment), timeout=120)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def answer(run: Run, path: str) -> tuple[int, str]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{run.environment['PORT']}{path}", timeout=30) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


#: `migrate --check` for each database, in one process.
LACKING = f"""
from django.core.management import call_command
for name in {DATABASES}:
    try:
        call_command("migrate", database=name, check_unapplied=True, verbosity=0)
    except SystemExit:
        print(name)
"""


def lacking(folder: Path) -> list[str]:
    """Return the databases that lack migrations."""
    return manage(folder, "shell", "--no-imports", "-c", LACKING).stdout.split()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    """A folder that `migrate` made, and what it said. No other program starts there: a test takes a copy."""
    folder = tmp_path_factory.mktemp("migrated") / "var"
    done = manage(folder, "migrate")
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture
def folder(migrated: Migrated, tmp_path: Path) -> Path:
    return shutil.copytree(migrated[0], tmp_path / "var")


def test_migrate_brings_every_database_up_to_date_and_says_so(migrated: Migrated, folder: Path) -> None:
    _, done = migrated
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Database ")] == [f"{x}:" for x in DATABASES]
    assert done.stdout.splitlines()[-1] == "Migrated 4 databases: default, users, billing, monolith."
    assert lacking(folder) == []


def test_migrate_with_a_database_named_leaves_the_others(tmp_path: Path) -> None:
    assert manage(tmp_path, "migrate", "--database", "users").returncode == 0

    assert manage(tmp_path, "migrate", "--check").returncode == 1
    assert lacking(tmp_path) == ["default", "billing", "monolith"]


def test_migrate_is_for_the_databases_of_this_process(tmp_path: Path) -> None:
    done = manage(tmp_path, "migrate", CONTEXTS="billing")

    assert done.stdout.splitlines()[-1] == "Migrated 2 databases: default, billing."


def test_migrate_names_an_unreachable_database_in_a_sentence(tmp_path: Path) -> None:
    url = f"postgres://me:very-secret@127.0.0.1:{free_port()}/users"
    done = manage(tmp_path, "migrate", USERS_DATABASE_URL=url)

    assert done.returncode == 3
    assert "The database of users can't be used" in done.stderr
    assert "very-secret" not in done.stderr


def test_a_migration_that_fails_says_where_and_not_that_the_database_lacks_migrations(tmp_path: Path) -> None:
    assert manage(tmp_path, "migrate", "monolith", "0001", "--database", "monolith").returncode == 0
    with closing(sqlite3.connect(tmp_path / "monolith.sqlite3")) as database:
        database.execute("ALTER TABLE monolith_user RENAME COLUMN name TO label")
    done = warm.run(["manage.py", "migrate"], cwd=ROOT, env=surroundings(tmp_path), timeout=120)

    assert done.returncode == 1
    assert "no such column" in done.stderr
    assert "can't be used" not in done.stderr
    assert "monolith.0002_names_on_invoices" in done.stdout


def test_a_wrong_variable_is_a_sentence(tmp_path: Path) -> None:
    done = manage(tmp_path, "migrate", CONTEXTS="shipping")

    assert done.returncode == 2
    assert done.stderr == "Unknown in CONTEXTS: shipping. Use some of users, billing, monolith.\n"


@pytest.mark.parametrize("reload", [[], ["--noreload"]], ids=["reloading", "not reloading"])
def test_runserver_waits_for_migrate_then_runs_everything_and_stops_it(tmp_path: Path, reload: list[str]) -> None:
    folder = tmp_path / "var"
    run = Run(folder, "manage.py", "runserver", *reload)
    try:
        run.wait_for_line("Quit the server")
        assert "Not migrated: default, users, billing, monolith. Run in another terminal: python manage.py migrate" in run.read()
        for path in ("/", "/lab/", "/monolith/"):
            code, page = answer(run, path)
            assert code == 503
            assert "python manage.py migrate" in page
        assert "Everything runs" not in run.read()

        assert manage(folder, "migrate").returncode == 0
        run.wait_for_line("Everything runs")
        for path in ("/", "/lab/", "/monolith/", "/chapters/3/"):
            assert answer(run, path)[0] == 200
        status = json.loads(manage(folder, "status", "--json", PORT=run.environment["PORT"]).stdout.splitlines()[-1])
        assert {one["state"] for one in status["consumers"]} == {"live"}, status

        run.process.send_signal(signal.SIGTERM)
        assert run.wait_for_end() == 0
        assert "stopped; your data stays" in run.printed
        assert "Traceback" not in run.printed
        assert run.processes() == []
    finally:
        end(run)


@pytest.fixture(scope="module")
def started(migrated: Migrated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run for three tests; the last one kills it."""
    run = Run(shutil.copytree(migrated[0], tmp_path_factory.mktemp("started") / "var"), "manage.py", "runserver")
    try:
        run.wait_for_line("Everything runs")
        yield run
    finally:
        end(run)


def test_a_second_one_in_the_folder_is_refused_and_alone_it_starts(started: Run) -> None:
    for command in (["runserver", str(free_port())], ["runserver", str(free_port()), "--noreload"]):
        done = manage(started.folder, *command)
        assert done.returncode == 3
        assert "runs in this folder already" in done.stderr
    beside = Run(started.folder, "manage.py", "runserver", "--alone", "--noreload")
    try:
        beside.wait_for_line("Quit the server")
        assert answer(beside, "/")[0] == 200
    finally:
        beside.process.kill()
        beside.process.wait()


@pytest.fixture
def signals() -> Iterator[None]:
    """Restore this process's signal handlers afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_hurries_the_end_and_cuts_nothing_off(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    ended: list[int] = []

    class Programs(Beside):
        def _run(self) -> None:
            wait_for(lambda: self.asked == 1, timeout=10, what="the first one")
            os.kill(os.getpid(), number)
            wait_for(lambda: self.asked == 2, timeout=10, what="the second one")
            ended.append(self.asked)

    monkeypatch.setenv("PORT", "8000")
    with Programs("http://127.0.0.1:8000/", 8000):
        pass
    assert ended == [2]


def test_a_busy_port_is_refused_before_anything_starts(started: Run, tmp_path: Path) -> None:
    done = manage(tmp_path / "other", "runserver", PORT=started.environment["PORT"])

    assert done.returncode == 3
    assert f"Port {started.environment['PORT']} is in use" in done.stderr
    assert "python manage.py runserver" in done.stderr


def test_a_killed_one_leaves_nothing_behind_not_even_the_web_server(started: Run) -> None:
    web = psutil.Process(started.process.pid).children()
    assert web
    os.kill(started.process.pid, signal.SIGKILL)
    wait_for(lambda: not started.processes(), timeout=40, what="everything to end", seen=started.processes)


def test_alone_it_is_the_web_server_only(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    run = Run(folder, "manage.py", "runserver", "--alone", "--noreload")
    try:
        run.wait_for_line("Quit the server")
        assert "Not migrated: " in run.read()
        assert manage(folder, "migrate").returncode == 0
        assert answer(run, "/chapters/3/")[0] == 200
        assert not (folder / "run").exists()
        assert len(run.processes()) == 1
    finally:
        end(run)


def test_a_port_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    done = manage(tmp_path, "runserver", PORT="abc")

    assert done.returncode == 2
    assert "PORT=abc is not a port" in done.stderr


def test_test_hands_over_to_pytest(tmp_path: Path) -> None:
    done = manage(tmp_path, "test", "--collect-only", "-q", "tests/test_contracts.py")

    assert done.returncode == 0, done.stderr
    assert "tests/test_contracts.py::" in done.stdout


def test_test_names_the_command_if_pytest_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_command, "find_spec", lambda name: None)
    with pytest.raises(WrongUsage, match="make test"):
        test_command.Command().handle()


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (["publish"], "relay users"),
        (["subscribe", "some.callback", "users.user.created.v1", "billing"], "manage.py worker billing"),
    ],
)
def test_the_packages_own_relay_and_consumer_are_refused_with_the_reason(tmp_path: Path, words: list[str], instead: str) -> None:
    done = manage(tmp_path, *words)

    assert done.returncode == 3
    assert instead in done.stderr
    assert "`default` database" in done.stderr


def test_with_a_context_named_the_package_s_options_are_its_own(tmp_path: Path) -> None:
    done = manage(tmp_path, "subscribe", "--database", "users", "some.callback", "--help")

    assert done.returncode == 0, done.stderr
    assert "A dotted module path" in done.stdout


def test_with_a_context_named_the_packages_relay_runs_on_its_tables(folder: Path) -> None:
    run = Run(folder, "manage.py", "publish", "--database", "users")
    try:
        run.wait_for_line("Waiting for messages to be published")
        run.process.send_signal(signal.SIGINT)
        assert run.wait_for_end() == 0
        assert "Traceback" not in run.printed
    finally:
        end(run)


def test_other_users_of_the_machine_can_not_read_var(migrated: Migrated, folder: Path) -> None:
    """Its databases have names and addresses. An older release left them open to all; the next start closes them."""
    made, _ = migrated
    files = sorted(made.glob("*.sqlite3*"))
    assert len(files) >= len(DATABASES)
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
    assert oct(made.stat().st_mode & 0o777) == "0o700"
    for path in folder.glob("*.sqlite3*"):
        path.chmod(0o644)
    assert manage(folder, "seed", "--users", "1").returncode == 0
    assert oct((folder / "users.sqlite3").stat().st_mode & 0o777) == "0o600"
