"""Runs the parts of a benchmark. Each measurement is a command in its own process that prints JSON on its last line.

A part runs in rounds. Each round measures the project and every alternative one after another, so other load on the machine affects
all of them. A failed measurement is kept with its error, and the others continue.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from messaging.events.text import plural

#: Characters to keep of a failed command's last line.
TAIL = 600


@dataclass(frozen=True)
class Step:
    """One measurement of a part. `command`: its module and options. `once`: True if the command does all runs itself, on the same
    rows, and prints `{"runs": […]}`; `{runs}` in its options becomes the number of runs."""

    case: str
    command: tuple[str, ...]
    once: bool = False
    limit: int = 600


@dataclass(frozen=True)
class Measure:
    """A line of the table. `what`: the measured value with its unit. `figures`: for each column, the case that measured it and the
    path in a run's JSON, such as ("ours", "latency.10.p50_ms"). `digits`: after the point."""

    what: str
    figures: dict[str, tuple[str, str]]
    digits: int = 0


@dataclass(frozen=True)
class Part:
    name: str
    title: str
    steps: tuple[Step, ...]
    measures: tuple[Measure, ...]


@dataclass
class Result:
    """The outcome of a part: for each case its runs, each with `figures` or `error`."""

    name: str
    seconds: float = 0.0
    cases: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def run(part: Part, runs: int, told: Callable[[str], None], advance: Callable[[], None]) -> Result:
    """Measure a part. Calls `told` with the next measurement's name, and `advance` after each of the `count` measurements."""
    result, began = Result(part.name), time.monotonic()
    result.cases = {step.case: [] for step in part.steps}
    for round_ in range(runs):
        for step in part.steps:
            if step.once and round_:
                continue
            told(f"{part.title}: {step.case}, " + (plural(runs, "run") if step.once else f"run {round_ + 1} of {runs}"))
            result.cases[step.case] += _measured(step, runs)
            advance()
    result.seconds = round(time.monotonic() - began, 1)
    return result


def count(parts: Iterable[Part], runs: int) -> int:
    """Count the measurements."""
    return sum(1 if step.once else runs for part in parts for step in part.steps)


def _measured(step: Step, runs: int) -> list[dict[str, Any]]:
    words = [word.replace("{runs}", str(runs)) for word in step.command]
    failed = runs if step.once else 1
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=step.limit)
    except subprocess.TimeoutExpired:
        _end(process)
        return [{"error": f"not done within {step.limit} s", "seconds": step.limit}] * failed
    except BaseException:
        _end(process)
        raise
    seconds = round(time.monotonic() - began, 1)
    lines = out.strip().splitlines()
    try:
        said = json.loads(lines[-1]) if lines else None
    except ValueError:
        said = None
    if process.returncode or not isinstance(said, dict):
        return [{"error": _tail(err) or f"ended with {process.returncode}, and said nothing", "seconds": seconds}] * failed
    return [{"figures": figures, "seconds": seconds} for figures in said.get("runs", [said])]


def _end(process: subprocess.Popen[str]) -> None:
    """Stop a process by Ctrl-C, so that it stops its own processes and drops its databases. After a minute, kill its family."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _tail(text: str) -> str:
    """Return the last line with text, which is the error in a traceback."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1][-TAIL:] if lines else ""
