"""Runs the parts of a benchmark: each measurement is a command, in a process of its own, that prints JSON on its last line.

A part is measured in rounds, and each round has ours and every alternative one after another; so whatever the machine does
meanwhile, it does to all. What fails is kept with its error, beside what didn't, and the rest goes on.
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

#: Words of a failed command's output that are kept.
TAIL = 600


@dataclass(frozen=True)
class Step:
    """One side of a part. `command`: module and options of what measures it. `once`: it does all runs itself, on the same rows, and
    prints them as `{"runs": […]}`; `{runs}` in its options is how many."""

    case: str
    command: tuple[str, ...]
    once: bool = False
    limit: int = 600


@dataclass(frozen=True)
class Measure:
    """A line of the table. `what`: what is measured, with its unit. `figures`: who, to the case that measured it and to where in a
    run's JSON it is, as ("ours", "latency.10.p50_ms"). `digits`: after the point."""

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
    """What came of a part: case to its runs, each with `figures` or with `error`."""

    name: str
    seconds: float = 0.0
    cases: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def run(part: Part, runs: int, told: Callable[[str], None], advance: Callable[[], None]) -> Result:
    """Measure a part. `told` hears what is measured next; `advance` is called after each measurement (`count` of them)."""
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
    """How many measurements these are."""
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
    """As Ctrl-C, so that it ends what it started and drops its databases; and where it doesn't, with its whole family."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _tail(text: str) -> str:
    """The last line that says something, which of a traceback is the error."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1][-TAIL:] if lines else ""
