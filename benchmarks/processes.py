"""Starts, watches and stops the processes of a benchmark."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psutil

PATIENCE = 60.0
#: Seconds between two samples of a process.
LOOK = 0.2


@contextmanager
def running(*commands: Sequence[str], **environment: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Run Python processes during the block, one per command line, in this environment with changes. Their output is shown only
    with `BENCH_VERBOSE=1`, because a relay prints a lot."""
    output = None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL
    processes = [start(*command, stdout=output, stderr=output, **environment) for command in commands]
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:  # it waits for work that isn't needed any more
                process.kill()
                process.wait()


def start(*arguments: str, stdout: Any = None, stderr: Any = None, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments], env={**os.environ, **environment}, text=True, stdout=stdout, stderr=stderr
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    """Wait until a web server answers."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310
            return
        time.sleep(0.1)
    raise SystemExit(f"The web server didn't start within {PATIENCE:g} s.")


class Watched:
    """The use of a process and its children: the highest resident size of one of them in MB, and processor seconds since the start
    of the watch. Both are meaningful on a busy machine too."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.mb = 0.0
        self.before = self._used()
        self.seconds = 0.0

    def look(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self.mb = max([self.mb, *(member.memory_info().rss / 2**20 for member in self._family())])
            self.seconds = max(self.seconds, self._used() - self.before)

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def _used(self) -> float:
        total = 0.0
        for member in self._family():
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                total += times.user + times.system
        return total
