"""What a chapter's steps work with: tools that act on the running system, and a record of what was said, run and found.

def stop_users(stage: Stage) -> None:
    stage.processes.stop("users-api")
    ran = stage.manage("generate_invoices", "--period", "2026-11")
    stage.check("Billing issues nothing while users is away", ran.code == 3, seen=ran.last)
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

#: Seconds that a claim may take to become true, and a command to end.
PATIENCE, LONGEST = 20.0, 180.0
LOOK = 0.1
#: Columns for a command's tables: what a page and a terminal show without breaking lines.
WIDTH = "96"


class Stage:
    """One step's tools. `notes` is what the chapter's earlier steps wrote down (JSON values), and is kept for the later ones."""

    processes = processes
    faults = faults

    def __init__(self, played: Played, notes: dict[str, Any], follow: Callable[[Entry], None] = lambda entry: None) -> None:
        self.played, self.notes, self._follow = played, notes, follow

    def say(self, text: str) -> None:
        """A sentence between the acts."""
        self._add(Said(text))

    def rows(self, title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A small table."""
        self._add(Rows(title, tuple(head), tuple(tuple(str(cell) for cell in row) for row in rows)))

    def check(self, claim: str, holds: bool, seen: object = "") -> bool:
        """A claim that the reader sees hold, or not; `seen` is what was found."""
        self._add(Check(claim, bool(holds), str(seen)))
        return bool(holds)

    def eventually(
        self, claim: str, probe: Callable[[], Any], seen: Callable[[], object] = lambda: "", timeout: float = PATIENCE
    ) -> bool:
        """A claim that may take a while to become true. What is seen is asked once, when it has, or when time is up."""
        began = time.monotonic()
        holds = self.wait(probe, timeout)
        took = time.monotonic() - began
        words = f"{seen()}"
        when = f"after {took:.1f} s" if holds else f"not within {timeout:.0f} s"
        return self.check(claim, holds, f"{words.removesuffix('.')}, {when}" if words else when)

    def wait(self, probe: Callable[[], Any], timeout: float = PATIENCE) -> bool:
        """Whether the probe says yes before time is up."""
        limit = time.monotonic() + timeout
        while not probe():
            if time.monotonic() > limit:
                return False
            time.sleep(LOOK)
        return True

    def manage(
        self, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = LONGEST, project: Path = ROOT
    ) -> Ran:
        """Run a management command as a process of its own, and show it: its line, its exit code, what it printed. `project`: a
        copy of the project (`project_copy`), where it isn't this one."""
        return self._ran(self.quietly(*arguments, environment=environment, timeout=timeout, project=project))

    def quietly(
        self, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = LONGEST, project: Path = ROOT
    ) -> Ran:
        """`manage`, without showing it."""
        shown = shlex.join(["manage.py", *arguments])
        if environment:
            shown = " ".join([*(f"{name}={value}" for name, value in environment.items()), shown])
        return self._run([sys.executable, "manage.py", *arguments], shown, environment, timeout, project)

    def command(
        self, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = LONGEST, project: Path = ROOT
    ) -> Ran:
        """Any other command of the project's virtual environment, as `lint-imports`; shown."""
        program = os.path.join(os.path.dirname(sys.executable), arguments[0])
        return self._ran(self._run([program, *arguments[1:]], shlex.join(arguments), environment, timeout, project))

    @contextmanager
    def beside(self, *arguments: str, begun: str, timeout: float = LONGEST) -> Iterator[None]:
        """Run a management command beside the block, which begins when the command has printed `begun`. When both are through, the
        command is shown. Where the block fails, the command is ended."""
        shown = shlex.join(["manage.py", *arguments])
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env={**os.environ, "NO_COLOR": "1", "COLUMNS": WIDTH, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

            def printed() -> str:  # the process writes at the file's own offset, so that one is left alone
                return os.pread(output.fileno(), os.fstat(output.fileno()).st_size, 0).decode(errors="replace")

            try:
                if not self.wait(lambda: begun in printed() or process.poll() is not None, timeout) or process.poll() is not None:
                    raise processes.WouldNot(f"{shown} didn't begin: {printed().strip() or 'it printed nothing'}")
                yield
                code = process.wait(timeout)
                self._add(Ran(shown, code, shortened(printed()), _object(printed())))
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()

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


def _object(output: str) -> Any:
    """What `--json` printed: the last line that is a JSON object."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except ValueError:
                continue
    return None
