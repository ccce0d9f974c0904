"""A command on a tether ends with its supervisor, and otherwise works as without one."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from config.env import ROOT
from config.runner.broker_server import TETHER, tethered
from tests.probes import wait_for

PATIENCE = 15.0
SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
#: A supervisor: it runs its arguments with a pipe as standard input, prints the pid and waits.
SUPERVISOR = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""
BROKER = """
import time
from config.runner.broker_server import broker
with broker() as url:
    print(url, flush=True)
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Return True if the process runs. A zombie doesn't."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def started(*command: str | Path, session: bool = True) -> Iterator[subprocess.Popen[str]]:
    """Run a process with pipes during the block."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=session,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_the_exit_code_is_the_commands() -> None:
    with started(*tethered(sys.executable, "-c", "raise SystemExit(7)")) as process:
        assert process.wait(PATIENCE) == 7


def test_the_pid_is_the_commands_and_signals_reach_it() -> None:
    with started(*tethered(sys.executable, "-c", f"import os; print(os.getpid(), flush=True); {SLEEP}")) as process:
        assert int(first_line(process)) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM


def test_the_command_reads_nothing_and_inherits_no_ignored_signal() -> None:
    look = "import signal, sys; print(repr(sys.stdin.read()))"
    with started(*tethered(sys.executable, "-c", look)) as process:
        assert first_line(process) == "''"
    # `sh` shows the mask that it inherited; Python would set its own.
    with started(*tethered("sh", "-c", "kill -PIPE $$; echo ignored")) as process:
        assert first_line(process) == ""
        assert process.wait(PATIENCE) == -signal.SIGPIPE


def test_words_arrive_as_they_are(tmp_path: Path) -> None:
    words = ["a b", "", "%h", "--hold", "'\"$HOME"]
    with started(*tethered(sys.executable, "-c", "import sys; print(sys.argv[1:])", *words)) as process:
        assert first_line(process) == repr(words)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_when_its_supervisor_is_ended_by(number: signal.Signals) -> None:
    with started(sys.executable, "-c", SUPERVISOR, *tethered(sys.executable, "-c", SLEEP)) as supervisor:
        command = int(first_line(supervisor))
        assert alive(command)
        supervisor.send_signal(number)
        wait_for(lambda: not alive(command), timeout=PATIENCE, what=f"the command to end after {number.name} to its supervisor")


def test_a_command_that_ignores_sigterm_is_killed() -> None:
    with started(sys.executable, "-c", SUPERVISOR, *tethered(sys.executable, "-c", STUBBORN)) as supervisor:
        command = int(first_line(supervisor))
        supervisor.kill()
        wait_for(lambda: not alive(command), timeout=PATIENCE, what="the stubborn command to end")


def test_the_commands_children_end_with_it() -> None:
    family = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True); {SLEEP}"
    with started(*tethered(sys.executable, "-c", family)) as process:
        child = int(first_line(process))
        assert alive(child)
        process.kill()
        wait_for(lambda: not alive(child), timeout=PATIENCE, what="the killed command's child to end")


def test_the_guard_ends_with_the_command() -> None:
    with started(*tethered(sys.executable, "-c", SLEEP)) as process:
        assert first_line(process) == "up"
        guards = [child.pid for child in psutil.Process(process.pid).children()]
        assert len(guards) == 1
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(guards[0], number)
        assert alive(guards[0])
        process.terminate()
        process.wait(PATIENCE)
        wait_for(lambda: not alive(guards[0]), timeout=PATIENCE, what="the guard to end after its command")


def test_the_guard_holds_no_output_open() -> None:
    # The command closes its output and lives on. Its reader sees the end, so no other process has it open.
    close = "import os, time; os.close(1); os.close(2); time.sleep(600)"
    with started(*tethered(sys.executable, "-c", close)) as process:
        assert process.stdout
        assert process.stdout.read() == ""
        assert process.poll() is None


def test_the_lock_is_held_as_long_as_anybody_lives(tmp_path: Path) -> None:
    path = tmp_path / "a lock"
    with path.open("w") as lock, started(*tethered(sys.executable, "-c", SLEEP, hold=path)) as process:
        assert first_line(process) == "up"
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.kill()
        process.wait(PATIENCE)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_wrong_use_is_said() -> None:
    for arguments in ([], ["--hold"], ["--hold", "file"]):
        with started(sys.executable, TETHER, *arguments) as process:
            assert process.wait(PATIENCE) == 2
            assert process.stderr
            assert "usage" in process.stderr.read()
    with started(*tethered("no-such-command")) as process:
        assert process.wait(PATIENCE) == 127
        assert process.stderr
        assert "no-such-command can't be run" in process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_embedded_broker_ends_when_its_parent_is_ended_by(number: signal.Signals) -> None:
    with started(sys.executable, "-c", BROKER) as parent:
        socket = first_line(parent).removeprefix("redis+socket://")
        with redis.Redis(unix_socket_path=socket) as client:
            server = int(client.info("server")["process_id"])  # type: ignore[index]  # the stubs allow for an asynchronous client
        assert alive(server)
        parent.send_signal(number)
        wait_for(lambda: not alive(server), timeout=PATIENCE, what=f"the server to end after {number.name} to its parent")
