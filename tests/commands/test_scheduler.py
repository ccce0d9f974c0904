"""The scheduler's output if it is stopped early or the broker doesn't answer."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from config.broker import socket_path
from config.env import ROOT
from config.runner.broker_server import start_broker, stop_broker
from messaging.celery import app
from messaging.consumer.celery_scheduler import Scheduler
from tests.probes import wait_for
from tests.running import surroundings


def test_a_scheduler_stopped_during_its_start_logs_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.commands.stopping", "scheduler"],
        cwd=ROOT,
        env=surroundings(tmp_path / "var"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert "told to stop" in said
    assert "Traceback" not in said
    assert done.returncode in {0, -signal.SIGTERM}


PATIENCE = 60.0
#: After so many attempts to connect, a scheduler has had several ticks.
MANY = 40
AWAY, BACK = "the broker doesn't answer; trying until it does", "the broker answers again"


@contextmanager
def scheduler(folder: Path, *, command: Sequence[str] = ("manage.py", "scheduler"), **environment: str) -> Iterator[list[str]]:
    """Run a real scheduler; yields a function that returns its lines so far."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=surroundings(folder / "var", **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")))  # type: ignore[union-attr]
    reader.start()
    try:
        yield lines
    finally:
        process.terminate()
        assert process.wait(timeout=30) in {0, -signal.SIGTERM}
        reader.join()
        process.stdout.close()


@contextmanager
def knocks(broker: Path) -> Iterator[list[int]]:
    """Replace a broker that doesn't answer: accept every connection, close it, and count them."""
    path, found = socket_path(broker), [0]
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def count() -> None:
            with contextlib.suppress(OSError):  # shut down: the end
                while True:
                    listener.accept()[0].close()
                    found[0] += 1

        thread = threading.Thread(target=count)
        thread.start()
        try:
            yield found
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def ticks(broker: Path) -> int:
    """Count the messages that the scheduler has sent to billing's queue."""
    with redis.Redis(unix_socket_path=str(socket_path(broker))) as client:
        return int(client.llen("billing"))


def said(lines: list[str], words: str) -> int:
    return sum(words in line for line in lines)


def test_a_scheduler_logs_an_unreachable_broker_once_and_its_return_once(tmp_path: Path) -> None:
    broker = tmp_path / "broker"
    process, url = start_broker(broker)
    try:
        with scheduler(tmp_path, CELERY_BROKER_URL=url) as lines:
            wait_for(lambda: ticks(broker), timeout=PATIENCE, what="a first tick", seen=lambda: lines)
            for outage in (1, 2):
                stop_broker(process)
                with knocks(broker) as tried:
                    wait_for(lambda: tried[0] >= MANY, timeout=PATIENCE, what="many attempts", seen=lambda: lines)
                process, _ = start_broker(broker)
                before = ticks(broker)
                wait_for(lambda: ticks(broker) > before, timeout=PATIENCE, what="a tick again", seen=lambda: lines)  # noqa: B023
                wait_for(lambda: said(lines, BACK) == outage, timeout=PATIENCE, what="word of it", seen=lambda: lines)  # noqa: B023
    finally:
        stop_broker(process)
    assert (said(lines, AWAY), said(lines, BACK), said(lines, "Traceback")) == (2, 2, 0), "".join(lines)
    assert len(lines) == 4, "".join(lines)


@pytest.mark.parametrize(
    "command",
    [["manage.py", "scheduler"], ["-m", "celery", "--quiet", "-A", "config", "beat"]],
    ids=["manage.py scheduler", "as earlier releases start it"],
)
def test_a_scheduler_that_starts_before_its_broker_says_so_once(tmp_path: Path, command: list[str]) -> None:
    broker = tmp_path / "broker"
    broker.mkdir()
    url = f"redis+socket://{socket_path(broker)}"
    with scheduler(tmp_path, command=command, CELERY_BROKER_URL=url) as lines:
        with knocks(broker) as tried:
            wait_for(lambda: tried[0] >= 2, timeout=PATIENCE, what="two attempts", seen=lambda: lines)
        process, _ = start_broker(broker)
        try:
            wait_for(lambda: ticks(broker), timeout=PATIENCE, what="a tick", seen=lambda: lines)
        finally:
            stop_broker(process)
    assert (said(lines[:2], AWAY), said(lines[:2], BACK), said(lines, "Traceback")) == (1, 1, 0), "".join(lines)


def test_a_tick_that_fails_by_a_bug_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    schedule = Scheduler(app, lazy=True)
    schedule.apply_entry(schedule.Entry(name="a wrong one", task="messaging.retry_due", schedule=1.0, args=[object()], app=app))
    assert not schedule.away
    assert ("a wrong one can't be sent" in caplog.text, "Traceback" in caplog.text) == (True, True)
