"""The tools of a chapter's steps: they act on the running system, and record what the step says, runs and finds.

def stop_users(stage: Stage) -> None:
    stage.stop("users-api")
    ran = stage.manage("generate_invoices", "--period", "2026-11")
    stage.check("Billing issues nothing while users is unreachable", ran.code == 3, seen=ran.last)
"""

import os
import shlex
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.env import ROOT
from walkthrough.control import faults, processes
from walkthrough.script import commands
from walkthrough.script.transcript import Check, Entry, Played, Ran, Rows, Said, shortened

#: Seconds that a claim may take to become true, and that a command may take.
PATIENCE, LONGEST = 20.0, 180.0
LOOK = 0.1


class Stage:
    """One step's tools. `notes` holds JSON values from the chapter's earlier steps, and is kept for the later ones."""

    processes = processes
    faults = faults

    def __init__(
        self,
        played: Played,
        notes: dict[str, Any],
        follow: Callable[[Entry], None] = lambda entry: None,
        waits: Callable[[], None] = lambda: None,
    ) -> None:
        self.played, self.notes, self._follow, self._waits = played, notes, follow, waits

    def say(self, text: str) -> None:
        """Show a sentence."""
        self._add(Said(text))

    def rows(self, title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Show a small table."""
        self._add(Rows(title, tuple(head), tuple(tuple(str(cell) for cell in row) for row in rows)))

    def check(self, claim: str, holds: bool, seen: object = "") -> bool:
        """Show a claim, its result, and the value that was found; returns `holds`."""
        self._add(Check(claim, bool(holds), str(seen)))
        return bool(holds)

    def fault(self, claim: str, happened: bool, seen: object = "") -> bool:
        """Show a fault that the chapter predicts. It is amber if it happened, and red if it didn't; returns `happened`."""
        self._add(Check(claim, bool(happened), str(seen), fault=True))
        return bool(happened)

    def outcome(self, **options: bool) -> None:
        """Record which option of the step's prediction came true. Each option is given with its condition, by what the step found.

        Raises `ValueError` unless exactly one of them is true.
        """
        came = [name for name, true in options.items() if true]
        if len(came) != 1:
            raise ValueError(f"exactly one of {', '.join(options)} should come true; found: {', '.join(came) or 'none'}")
        self.played.outcome = came[0]

    def eventually(
        self,
        claim: str,
        probe: Callable[[], Any],
        seen: Callable[[], object] = lambda: "",
        timeout: float = PATIENCE,
        fault: bool = False,
    ) -> bool:
        """Check a claim, or a fault, that may take a while. `seen` is called once: when it holds, or when time is up."""
        began = time.monotonic()
        holds = self.wait(f"Waits until this holds: {claim}", probe, timeout)
        took = time.monotonic() - began
        words = f"{seen()}"
        when = f"after {took:.1f} s" if holds else f"not within {timeout:.0f} s"
        show = self.fault if fault else self.check
        return show(claim, holds, f"{words.removesuffix('.')}, {when}" if words else when)

    def wait(self, what: str, probe: Callable[[], Any], timeout: float = PATIENCE) -> bool:
        """Return True as soon as the probe does, and False when time is up. `what` says what it waits for: “Waits until …”."""
        limit = time.monotonic() + timeout
        if probe():
            return True
        with self.waiting(what):
            while not probe():
                if time.monotonic() > limit:
                    return False
                time.sleep(LOOK)
        return True

    def stop(self, *programs: str) -> None:
        """Stop programs of the running system; returns when they have ended."""
        with self.waiting(f"Stops {' and '.join(programs)}"):
            processes.stop(*programs)

    def start(self, *programs: str) -> None:
        """Start programs of the running system; returns when they run."""
        with self.waiting(f"Starts {' and '.join(programs)}"):
            processes.start(*programs)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Let everybody see what the step waits for while the block runs."""
        before, self.played.waiting = self.played.waiting, what
        self._waits()
        try:
            yield
        finally:
            self.played.waiting = before

    def manage(
        self, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = LONGEST, project: Path = ROOT
    ) -> Ran:
        """Run a management command as a process of its own, and show it with its exit code and output.

        `project` may be a copy of the project (`project_copy`).
        """
        return self._ran(self.quietly(*arguments, environment=environment, timeout=timeout, project=project))

    def quietly(
        self, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = LONGEST, project: Path = ROOT
    ) -> Ran:
        """Run a management command as `manage` does, and don't show it."""
        shown = shlex.join(["manage.py", *arguments])
        if environment:
            shown = " ".join([*(f"{name}={value}" for name, value in environment.items()), shown])
        return self._run([sys.executable, "manage.py", *arguments], shown, environment, timeout, project)

    def command(
        self, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = LONGEST, project: Path = ROOT
    ) -> Ran:
        """Run another command of the project's virtual environment, such as `lint-imports`, and show it."""
        program = os.path.join(os.path.dirname(sys.executable), arguments[0])
        return self._ran(self._run([program, *arguments[1:]], shlex.join(arguments), environment, timeout, project))

    @contextmanager
    def beside(self, *arguments: str, begun: str, timeout: float = LONGEST) -> Iterator[None]:
        """Run a management command while the block runs.

        The block begins when the command has printed `begun`. The command is shown when both have ended; it is killed if the block
        fails.
        """
        shown = shlex.join(["manage.py", *arguments])
        with commands.started("manage.py", *arguments) as (process, printed):
            begins = self.wait(f"Runs `{shown}`", lambda: begun in printed() or process.poll() is not None, timeout)
            if not begins or process.poll() is not None:
                raise processes.WouldNot(f"{shown} didn't begin: {printed().strip() or 'it printed nothing'}")
            yield
            with self.waiting(f"Waits until `{shown}` ends"):
                code = process.wait(timeout)
            self._add(Ran(shown, code, shortened(printed()), commands.last_object(printed())))

    def until(self, *arguments: str, reached: Callable[[str], bool], timeout: float = PATIENCE) -> Ran:
        """Run a program of Python that doesn't end by itself, stop it when its output is as `reached` wants it, and show it.

        It is stopped, too, when time is up.
        """
        shown = shlex.join(["python", *arguments])
        with commands.started(*arguments) as (process, printed):
            self.wait(f"Runs `{shown}`", lambda: reached(printed()) or process.poll() is not None, timeout)
            process.terminate()
            return self._ran(Ran(shown, process.wait(timeout), shortened(printed())))

    def _ran(self, ran: Ran) -> Ran:
        self._add(ran)
        return ran

    def _run(self, command: list[str], shown: str, environment: Mapping[str, str] | None, timeout: float, project: Path) -> Ran:
        if project != ROOT:
            shown = f"cd {project.name} && {shown}"
        with self.waiting(f"Runs `{textwrap.shorten(shown, 90, placeholder=' …')}`"):
            return commands.run(command, shown, environment, timeout, project)

    def _add(self, entry: Entry) -> None:
        self.played.entries.append(entry)
        self._follow(entry)
