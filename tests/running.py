"""A real `make run` with a folder of its own, for the tests that look at one from outside."""

import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from config.env import ROOT
from tests.probes import wait_for

#: Set by the suite for its own databases and broker. `make run` is tested as it is on a machine without any.
OURS = {
    *("BILLING_DATABASE_URL", "DATABASE_URL", "MONOLITH_DATABASE_URL", "USERS_DATABASE_URL"),
    *("CELERY_BROKER_URL", "CONTEXTS", "DEBUG", "PORT", "VAR_DIR"),
}
START = 90.0
STOP = 40.0


class Run:
    """One `make run`, or another of the project's commands, with a folder of its own, and what it printed so far."""

    def __init__(self, folder: Path, *command: str, **environment: str) -> None:
        self.folder = folder
        # A pipe is no terminal: without it, what was printed would wait in a buffer.
        self.environment = surroundings(folder, **{"PYTHONUNBUFFERED": "1", **environment})
        self.printed = ""
        self.process = subprocess.Popen(
            [sys.executable, *(command or ("-m", "config.runner.up"))],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def read(self) -> str:
        """Everything that was printed until now."""
        assert self.process.stdout
        descriptor = self.process.stdout.fileno()
        while select.select([descriptor], [], [], 0)[0]:
            piece = os.read(descriptor, 65536)
            if not piece:
                break
            self.printed += piece.decode()
        return self.printed

    def wait_for_line(self, text: str, timeout: float = START) -> None:
        def condition() -> bool:
            assert text in self.read() or self.process.poll() is None, f"It ended:\n{self.printed}"
            return text in self.printed

        wait_for(condition, timeout=timeout, what=f"{text!r} on the terminal", seen=lambda: self.printed[-2000:])

    def wait_for_end(self, timeout: float = STOP) -> int:
        def ended() -> bool:
            self.read()  # a full pipe would hold it up
            return self.process.poll() is not None

        wait_for(ended, timeout=timeout, what="the run to end", seen=lambda: self.printed[-2000:])
        self.read()
        assert self.process.returncode is not None
        return self.process.returncode

    def pid_of(self, name: str) -> int:
        """A program's process id, by the command that the project tells its readers to use."""
        said = subprocess.run(
            [Path(sys.executable).with_name("supervisorctl"), "-c", self.folder / "run" / "supervisord.conf", "pid", name],
            cwd=ROOT,
            env={name: value for name, value in self.environment.items() if name != "VAR_DIR"},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert said.stdout.strip().isdigit(), said.stdout + said.stderr
        return int(said.stdout)

    def processes(self) -> list[str]:
        """The command lines of everything that still belongs to it."""
        found = []
        for process in psutil.process_iter(["environ", "cmdline", "status"]):
            mine = (process.info["environ"] or {}).get("VAR_DIR") == str(self.folder)
            if process.info["status"] != psutil.STATUS_ZOMBIE and (
                mine or str(self.folder) in " ".join(process.info["cmdline"] or [])
            ):
                found.append(f"{process.pid} {' '.join(process.info['cmdline'] or [])}")
        return found


def surroundings(folder: Path, **environment: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**kept, "PORT": str(free_port()), "VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings", **environment}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(run: Run) -> None:
    """Whatever the test did: SIGKILL takes everything with it."""
    run.process.kill()
    run.process.wait()
    wait_for(lambda: not run.processes(), timeout=STOP, what="everything to end", seen=run.processes)
    assert run.process.stdout
    run.process.stdout.close()
