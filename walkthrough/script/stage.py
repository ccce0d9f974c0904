"""The tools of a chapter's steps: they act on the running system, and record what the step says, runs and finds.

def stop_users(stage: Stage) -> None:
    stage.processes.stop("users-api")
    ran = stage.manage("generate_invoices", "--period", "2026-11")
    stage.check("Billing issues nothing while users is unreachable", ran.code == 3, seen=ran.last)
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.env import ROOT
from walkthrough.control import faults, processes, project_copy
from walkthrough.script.transcript import Check, Entry, Played, Ran, Rows, Said, shortened

#: Seconds that a claim may take to become true, and that a command may take.
PATIENCE, LONGEST = 20.0, 180.0
LOOK = 0.1
#: Columns for a command's tables, so that a page and a terminal don't break their lines.
WIDTH = "96"


class Stage:
    """One step's tools. `notes` holds JSON values from the chapter's earlier steps, and is kept for the later ones."""

    processes = processes
    faults = faults

    def __init__(self, played: Played, notes: dict[str, Any], follow: Callable[[Entry], None] = lambda entry: None) -> None:
        self.played, self.notes, self._follow = played, notes, follow

    def say(self, text: str) -> None:
        """Show a sentence."""
        self._add(Said(text))

    def rows(self, title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Show a small table."""
        self._add(Rows(title, tuple(head), tuple(tuple(str(cell) for cell in row) for row in rows)))

    def check(self, claim: str, holds: bool, seen: object = "") -> bool:
        """Show a claim, whether it holds, and the value that was found; returns `holds`."""
        self._add(Check(claim, bool(holds), str(seen)))
        return bool(holds)

    def eventually(
        self, claim: str, probe: Callable[[], Any], seen: Callable[[], object] = lambda: "", timeout: float = PATIENCE
    ) -> bool:
        """Check a claim that may take a while to become true. `seen` is called once: when it holds, or when time is up."""
        began = time.monotonic()
        holds = self.wait(probe, timeout)
        took = time.monotonic() - began
        words = f"{seen()}"
        when = f"after {took:.1f} s" if holds else f"not within {timeout:.0f} s"
        return self.check(claim, holds, f"{words.removesuffix('.')}, {when}" if words else when)

    def wait(self, probe: Callable[[], Any], timeout: float = PATIENCE) -> bool:
        """Return True as soon as the probe does, and False when time is up."""
        limit = time.monotonic() + timeout
        while not probe():
            if time.monotonic() > limit:
                return False
            time.sleep(LOOK)
        return True

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
        with _started("manage.py", *arguments) as (process, printed):
            if not self.wait(lambda: begun in printed() or process.poll() is not None, timeout) or process.poll() is not None:
                raise processes.WouldNot(f"{shown} didn't begin: {printed().strip() or 'it printed nothing'}")
            yield
            code = process.wait(timeout)
            self._add(Ran(shown, code, shortened(printed()), _object(printed())))

    def until(self, *arguments: str, reached: Callable[[str], bool], timeout: float = PATIENCE) -> Ran:
        """Run a program of Python that doesn't end by itself, stop it when its output is as `reached` wants it, and show it.

        It is stopped, too, when time is up.
        """
        with _started(*arguments) as (process, printed):
            self.wait(lambda: reached(printed()) or process.poll() is not None, timeout)
            process.terminate()
            return self._ran(Ran(shlex.join(["python", *arguments]), process.wait(timeout), shortened(printed())))

    def _ran(self, ran: Ran) -> Ran:
        self._add(ran)
        return ran

    def _run(self, command: list[str], shown: str, environment: Mapping[str, str] | None, timeout: float, project: Path) -> Ran:
        if project != ROOT:
            shown = f"cd {project.name} && {shown}"
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
        return Ran(shown, done.returncode, shortened(done.stdout), _object(done.stdout))

    def _add(self, entry: Entry) -> None:
        self.played.entries.append(entry)
        self._follow(entry)


@contextmanager
def _started(*arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], str]]]:
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


def _object(output: str) -> Any:
    """Return the object that `--json` printed: the last line that is a JSON object."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except ValueError:
                continue
    return None
