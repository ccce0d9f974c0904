"""The commands of a step: each runs as a process of its own, and is shown with its exit code and output."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def last_object(output: str) -> Any:
    """Return the object that `--json` printed: the last line that is a JSON object."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except ValueError:
                continue
    return None
