"""Changed copies of the project: one with a violation that a check must reject, or a newer version that runs next to this one, on
the same databases and broker."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.env import ROOT, VAR
from config.runner.broker_server import tethered

with (ROOT / "pyproject.toml").open("rb") as _file:
    #: The packages that import-linter checks are all that a process needs.
    PARTS = (*tomllib.load(_file)["tool"]["importlinter"]["root_packages"], "manage.py", "pyproject.toml")
#: The folder of the copy that stays for a while.
KEPT = VAR / "walkthrough" / "copy"
#: Seconds that a worker may take to end.
PATIENCE = 15.0


def copy_project(folder: Path) -> Path:
    """Copy the project's source and tool settings to a folder where a violation does no harm."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            # With the compiled files, which are valid as long as their sources keep their times. Python may be writing one.
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy(source, folder / part)
    return folder


@contextmanager
def copied(name: str = "newer") -> Iterator[Path]:
    """A copy in a folder by that name, deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="walkthrough-") as folder:
        yield copy_project(Path(folder) / name)


def fresh_copy() -> Path:
    """Make a new copy that a person can look at. It stays until the next one, or until a reset."""
    remove_copy()
    return copy_project(KEPT)


def remove_copy() -> None:
    shutil.rmtree(KEPT, ignore_errors=True)


def plant(project: Path, path: str, source: str) -> None:
    """Add source at the end of a module; create the module if it doesn't exist."""
    with (project / path).open("a", encoding="utf-8") as module:
        module.write(f"\n{source}\n")


def restore(project: Path, path: str) -> None:
    """Undo `plant`: the module is again as in the project, or deleted."""
    if (ROOT / path).exists():
        shutil.copy(ROOT / path, project / path)
    else:
        (project / path).unlink(missing_ok=True)


def edit(project: Path, path: str, old: str, new: str) -> None:
    """Replace each `old` in a file by `new`. Raises `LookupError` if there is none, because the project has changed."""
    text = (project / path).read_text(encoding="utf-8")
    if old not in text:
        raise LookupError(f"{path} doesn't contain {old!r}.")
    (project / path).write_text(text.replace(old, new), encoding="utf-8")


def environment(project: Path) -> dict[str, str]:
    """The environment for a process of a copy: the copy's source, with the databases, broker and logs of this project. For the
    project's own process, the present environment."""
    if project == ROOT:
        return dict(os.environ)
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, "VAR_DIR": str(VAR)}


def run(*command: str, project: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the virtual environment in a copy of the project."""
    program = Path(sys.executable).parent / command[0]
    return subprocess.run(
        [str(program), *command[1:]],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def worker(project: Path, context: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a copy's worker on a context's queue. It ends with the block, or with this process."""
    name = f"{project.name}-{context}"
    with (VAR / "log" / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            tethered(sys.executable, "manage.py", "worker", context),
            cwd=project,
            env={**environment(project), "DJANGO_SETTINGS_MODULE": "config.settings"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)
        if process.stdin:
            process.stdin.close()
