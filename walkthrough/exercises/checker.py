"""Checks an exercise: its probes run in a process of their own, on throw-away databases, for a limited time. The process ends with
the one that started it, even if that is killed."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from config.env import ROOT, VAR
from config.runner.broker_server import tethered
from messaging.events.text import plural
from walkthrough.exercises import book
from walkthrough.exercises.book import Exercise
from walkthrough.script import kept

#: Seconds that a check may take. It usually takes three.
LONGEST = 60.0
#: Lines of a process that died that are shown.
LAST_LINES = 5
#: Bytes of its output that are read, from the end.
TAIL = 10_000


@dataclass(frozen=True)
class Outcome:
    """A claim about the reader's code. `lacks` says what is missing; empty if it holds."""

    claim: str
    lacks: str
    #: True if `lacks` tells an exception, and isn't the check's own sentence.
    raised: bool = False


@dataclass(frozen=True)
class Result:
    """The outcome of a check. `error`: why it couldn't begin or end; empty if it could."""

    outcomes: tuple[Outcome, ...] = ()
    error: str = ""
    seconds: float = 0.0
    #: Of the checked files.
    digest: str = ""

    @property
    def done(self) -> bool:
        return bool(self.outcomes) and not self.error and not self.missing

    @property
    def missing(self) -> int:
        """The number of claims that don't hold."""
        return sum(bool(one.lacks) for one in self.outcomes)

    @property
    def summary(self) -> str:
        if self.error:
            return "The check can't run."
        if self.done:
            return f"Done: all {plural(len(self.outcomes), 'claim')} hold."
        return f"Not yet: {len(self.outcomes) - self.missing} of {plural(len(self.outcomes), 'claim')} hold."


def check(exercise: Exercise, files: Path | None = None, *, longest: float | None = None) -> Result:
    """Check the reader's files, or others. `longest`: seconds that it may take."""
    chosen = (files or exercise.mine).resolve()
    began, digest = time.monotonic(), book.digest(chosen)
    with tempfile.TemporaryDirectory(prefix="exercise-") as folder:
        found = _run(exercise, chosen, Path(folder), _template(), longest or LONGEST)
    outcomes = tuple(Outcome(**one) for one in found.get("probes", ()))
    return Result(outcomes, found.get("error", ""), round(time.monotonic() - began, 1), digest)


def check_mine(exercise: Exercise) -> Result:
    """Check the reader's files, and keep the result."""
    result = check(exercise)
    _file(exercise).parent.mkdir(parents=True, exist_ok=True)
    kept.write(_file(exercise), {"result": asdict(result)})
    return result


def last(exercise: Exercise) -> Result | None:
    """The last result of the reader's files; None if they weren't checked."""
    values = kept.read(_file(exercise)).get("result")
    try:
        return Result(**{**values, "outcomes": tuple(Outcome(**one) for one in values["outcomes"])}) if values else None
    except (KeyError, TypeError):  # another shape than a result's
        return None


def changed(exercise: Exercise, result: Result) -> bool:
    """Return True if the reader's files have changed since this result."""
    return book.digest(exercise.mine) != result.digest


def state(exercise: Exercise) -> str:
    """Say how far the reader is, in a word or two."""
    result = last(exercise)
    if result is None:
        return "open"
    if result.done:
        return "done"
    return "not yet" if result.error else f"{len(result.outcomes) - result.missing} of {len(result.outcomes)} claims hold"


def forget(exercise: Exercise) -> None:
    """Put the gap back, and forget the last result."""
    exercise.reset()
    _file(exercise).unlink(missing_ok=True)


def _file(exercise: Exercise) -> Path:
    return kept.FOLDER / f"exercise-{exercise.number:02}.json"


def _run(exercise: Exercise, files: Path, folder: Path, template: Path, longest: float) -> dict[str, Any]:
    result = folder / "result.json"
    said = _process([str(book.FOLDER / exercise.name), str(result)], folder, files, template, longest)
    if said is None:
        return {"error": f"The check didn't end within {longest:.0f} s, so it was stopped. Is there a loop without an end?"}
    if not result.exists():
        lines = "\n".join(said.splitlines()[-LAST_LINES:])
        return {"error": f"The check's process ended before the check did. Its last lines:\n{lines or 'none'}"}
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found


def environment(databases: Path, files: Path, template: Path) -> dict[str, str]:
    """Return the variables of a check's process, without the path to the project."""
    names = ("EXERCISE_API_URL", "USERS_API_TOKEN", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if name not in names} | {
        "DJANGO_SETTINGS_MODULE": "walkthrough.exercises.shop.settings",
        "EXERCISE_DATABASES": str(databases),
        "EXERCISE_FILES": str(files),
        "EXERCISE_TEMPLATE": str(template),
    }


def _process(arguments: list[str], databases: Path, files: Path, template: Path, longest: float) -> str | None:
    """Run `run.py`. Returns what it printed, or None if it had to be stopped."""
    with tempfile.TemporaryFile() as output:  # `run.py` limits its size
        process = subprocess.Popen(
            tethered(sys.executable, "-m", "walkthrough.exercises.run", *arguments),
            cwd=databases,
            env={**environment(databases, files, template), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(longest)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)
        output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL))
        return output.read().decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it, and what it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with process:  # closes the pipe and waits
        pass


def _template() -> Path:
    """The migrated, empty databases that each probe begins with. They are made once for each version of the code."""
    home = VAR / "walkthrough" / "exercises"
    home.mkdir(parents=True, exist_ok=True)
    code = book.digest(ROOT / "messaging", book.FOLDER / "shop")
    made = home / code
    with (home / "making.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make(home, made)
    return made


def _make(home: Path, made: Path) -> None:
    for old in home.glob("[0-9a-f]*"):
        shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="draft-") as folder, tempfile.TemporaryDirectory() as nothing:
        draft = Path(folder) / "databases"
        draft.mkdir()
        said = _process(["--prepare", "-"], draft, Path(nothing), draft, LONGEST * 4)
        if said is None or any(not (draft / f"{name}.sqlite3").exists() for name in ("default", "users", "billing")):
            raise RuntimeError(f"The databases of the exercises can't be made: {said or 'it took too long'}")
        draft.rename(made)
