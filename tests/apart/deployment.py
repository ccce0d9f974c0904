"""A deployment of some contexts: what a Procfile lists, as real processes, with an environment of its own."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from config.env import ROOT
from tests import warm
from tests.probes import wait_for
from tests.running import surroundings

LINE = re.compile(r"^([\w-]+):\s*(.+)$")
PATIENCE = 40.0


def programs(procfile: str) -> dict[str, str]:
    """The lines of a Procfile in config/deploy: name to command."""
    lines = (ROOT / "config" / "deploy" / procfile).read_text().splitlines()
    found = [LINE.match(line) for line in lines if line.strip() and not line.startswith("#")]
    assert all(found), f"{procfile} has a line that is no program."
    return {match[1]: match[2] for match in found if match}


def in_python(line: str) -> tuple[list[str], dict[str, str]] | None:
    """What Python is to run for a Procfile's line, and the variables that the line sets. None: it starts another program."""
    words = shlex.split(line)
    variables: dict[str, str] = {}
    if words[0] == "env":
        words.pop(0)
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
    program = words.pop(0)
    if program not in {"python", "gunicorn"}:
        return None
    return words if program == "python" else ["-m", program, *words], variables


class Deployment:
    """The programs of a Procfile, and commands beside them. Nothing of the tests' own environment reaches them. `project`: whose
    code is started from now on, as that of a copy."""

    project = ROOT

    def __init__(self, procfile: str, folder: Path, **environment: str) -> None:
        self.programs = programs(procfile)
        self.folder = folder
        self.environment = surroundings(folder, SECRET_KEY=f"{procfile}-" * 6, **environment)
        self.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.url = f"http://127.0.0.1:{self.environment['PORT']}"
        self.log = folder / "log.txt"
        self.running: dict[str, warm.Process] = {}

    def start(self, *names: str) -> None:
        """Start programs, all of them where none is named; back when the web server answers, if it is among them."""
        with self.log.open("ab") as log:
            for name in names or self.programs:
                self.running[name] = self._started(self.programs[name], log)
        if "web" in (names or self.programs):
            wait_for(lambda: self.get("/healthz")[0] == 200, timeout=PATIENCE, what=f"{self.url} to answer", seen=self.tail)

    def _started(self, line: str, log: IO[bytes]) -> warm.Process:
        if found := in_python(line):
            arguments, variables = found
            return warm.start(arguments, cwd=self.project, env={**self.environment, **variables}, stdout=log, stderr=log)
        command, nothing = ["sh", "-c", f"exec {line}"], subprocess.DEVNULL
        return subprocess.Popen(
            command, cwd=self.project, env=self.environment, stdin=nothing, stdout=log, stderr=log, start_new_session=True
        )

    def end(self, *names: str) -> None:
        """Ask programs to end, and see that they do, with all of their processes."""
        ending = {name: self.running.pop(name) for name in names}
        for process in ending.values():
            process.terminate()
        for name, process in ending.items():
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise AssertionError(f"{name} didn't end within {PATIENCE:.0f} s of SIGTERM:\n{self.tail()}") from None
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
                raise AssertionError(f"{name} ended and left processes behind:\n{self.tail()}")

    def stop(self) -> None:
        """End everything, as a box that is switched off."""
        for name in list(self.running):
            process = self.running.pop(name)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)

    def get(self, path: str) -> tuple[int, Any]:
        """Status and content; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                code, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            code, text = error.code, error.read().decode()
        except OSError:
            return 0, ""
        return code, json.loads(text) if text.startswith("{") else text

    def manage(self, *arguments: str, code: int = 0) -> Any:
        """Run a command, see it end with this exit code, and return the JSON of its last line, if it is that."""
        done = warm.run(["manage.py", *arguments], cwd=self.project, env=self.environment, timeout=120)
        assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}\n{self.tail()}"
        last = (done.stdout.strip().splitlines() or [""])[-1]
        return json.loads(last) if last.startswith("{") else last

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:]) if self.log.exists() else ""
