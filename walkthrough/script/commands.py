"""The commands of a step: each runs as a process of its own, and is shown with its exit code and output."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.env import ROOT
from walkthrough.control import processes, project_copy
from walkthrough.script.transcript import Ran, shortened

#: Columns for a command's tables, so that a page and a terminal don't break their lines.
WIDTH = "96"


def run(command: list[str], shown: str, environment: Mapping[str, str] | None, timeout: float, project: Path) -> Ran:
    """Run a command to its end. Raises `WouldNot` if that takes longer than `timeout` seconds."""
    try:
        done = subprocess.run(
            command,
            cwd=project,
            env={**project_copy.environment(project), "NO_COLOR": "1", "COLUMNS": WIDTH, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise processes.WouldNot(f"{shown} didn't end within {timeout:.0f} s.") from None
    return Ran(shown, done.returncode, shortened(done.stdout), last_object(done.stdout))


@contextmanager
def started(*arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], str]]]:
    """Run a program of Python during the block. Yields it, and a function that returns what it has printed."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": WIDTH, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

        def printed() -> str:  # the process writes at the file's own offset, so this must not move it
            return os.pread(output.fileno(), os.fstat(output.fileno()).st_size, 0).decode(errors="replace")

        try:
            yield process, printed
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def last_object(output: str) -> Any:
    """Return the object that `--json` printed: the last line that is a JSON object."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except ValueError:
                continue
    return None
