"""`make run` for a person: what it refuses, what it starts, and that it leaves nothing behind."""

import os
import re
import signal
import socket
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from config.env import ROOT
from tests import warm
from tests.probes import wait_for
from tests.running import STOP, Run, end, free_port, surroundings

SUSPEND = """
import django
django.setup()
from users.models import User
from users.services import user_suspend
user = User.objects.using("users").filter(status="active").first()
user_suspend(user_id=user.pk, reason="asked for")
print(user.pk.hex)
"""


def refusal(folder: Path, **environment: str) -> tuple[int, str]:
    """Return exit code and output of a run that starts nothing."""
    done = warm.run(["-m", "config.runner.up"], cwd=ROOT, env=surroundings(folder, **environment), timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "8000 "])
def test_a_port_that_is_none_is_wrong_usage(tmp_path: Path, port: str) -> None:
    code, said = refusal(tmp_path, PORT=port)
    assert code == 2
    assert f"PORT={port} is not a port" in said


def test_a_busy_port_is_refused_with_another_one_to_take(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = refusal(tmp_path, PORT=str(port))
    assert code == 3
    assert f"Port {port} is in use" in said
    assert re.search(r"PORT=\d+ make run", said)


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "var"
    file.write_text("a file where the folder should be")
    code, said = refusal(file)
    assert code == 3
    assert f"{file} can't be written to" in said


@pytest.mark.parametrize("url", ["redis://:very-secret@127.0.0.1:{port}/0", "amqp://me:very-secret@127.0.0.1:{port}//"])
def test_a_broker_that_does_not_answer_is_named_without_its_password(tmp_path: Path, url: str) -> None:
    port = free_port()
    code, said = refusal(tmp_path, CELERY_BROKER_URL=url.format(port=port))
    assert code == 3
    assert f"127.0.0.1:{port}" in said
    assert "can't be used (" in said
    assert "very-secret" not in said


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    # With a space and letters beyond ASCII, as in many people's folders.
    run = Run(tmp_path_factory.mktemp("run") / "vär 1")
    try:
        run.wait_for_line("Everything runs")
        yield run
    finally:
        end(run)


def test_a_second_run_in_the_same_folder_is_refused(run: Run) -> None:
    code, said = refusal(run.folder)
    assert code == 3
    assert "runs in this folder already" in said


def test_the_page_answers_and_a_suspension_reaches_billing(run: Run) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{run.environment['PORT']}/", timeout=30) as page:
        assert page.status == 200

    done = warm.run(["-c", SUSPEND], cwd=ROOT, env=run.environment, timeout=60)
    assert done.returncode == 0, done.stderr
    user = done.stdout.strip()

    def status() -> str | None:
        with closing(sqlite3.connect(run.folder / "billing.sqlite3", timeout=30)) as billing:
            row = billing.execute("SELECT status FROM billing_cacheduser WHERE user_id = ?", [user]).fetchone()
        return row and str(row[0])

    wait_for(lambda: status() == "suspended", timeout=30, what="billing's row to be suspended", seen=status)


def test_the_admin_password_is_printed_and_only_its_owner_can_read_it(run: Run) -> None:
    file = run.folder / "admin-password"
    assert f"admin / {file.read_text().strip()}" in run.read()
    assert file.stat().st_mode & 0o777 == 0o600
    for secret in (run.folder / "run" / "supervisord.conf", run.folder / "run" / "supervisor.sock"):
        if secret.exists():  # the socket is elsewhere if the path is long
            assert secret.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["worker-billing", "relay-users", "broker", "beat", "web"])
def test_a_killed_program_is_started_again_and_leaves_no_process_behind(run: Run, name: str) -> None:
    pid = run.pid_of(name)
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: run.pid_of(name) not in {0, pid}, timeout=30, what=f"another {name}", seen=lambda: run.read()[-2000:])
    wait_for(
        lambda: not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE],
        timeout=30,
        what=f"the killed {name}'s own processes to end",
        seen=lambda: family,
    )


def test_it_stops_on_a_signal_with_nothing_left_and_starts_again_on_its_data(run: Run) -> None:
    """The last test with this run, because it stops it."""
    assert "demo data" in run.read()
    stops(run, signal.SIGINT)
    password = (run.folder / "admin-password").read_text().strip()
    assert password
    again = Run(run.folder)
    try:
        again.wait_for_line("Everything runs")
        assert "demo data" not in again.printed
        assert password in again.printed
        stops(again, signal.SIGTERM)
    finally:
        end(again)


def stops(run: Run, number: signal.Signals) -> None:
    started = time.monotonic()
    run.process.send_signal(number)
    assert run.wait_for_end() == 0
    assert "stopped" in run.printed.splitlines()[-1], run.printed[-2000:]
    assert "Traceback" not in run.printed
    assert not run.processes()
    assert time.monotonic() - started < STOP


def test_a_stop_while_it_prepares_is_no_error(tmp_path: Path) -> None:
    run = Run(tmp_path / "var")
    try:
        run.wait_for_line("can be written to")
        run.process.send_signal(signal.SIGINT)
        assert run.wait_for_end() == 0
        assert "Traceback" not in run.printed
    finally:
        end(run)
    assert not run.processes()
