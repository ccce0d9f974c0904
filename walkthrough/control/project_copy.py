"""Copies of the project with something changed in them: a violation that a check must reject, or tomorrow's version, which runs
beside the one of today on the same databases and broker."""

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
from config.runner.programs import WORKER_OPTIONS

with (ROOT / "pyproject.toml").open("rb") as _file:
    #: The packages that import-linter checks are all that run.
    PARTS = (*tomllib.load(_file)["tool"]["importlinter"]["root_packages"], "manage.py", "pyproject.toml")
#: Where the copy lies that stays for a while.
KEPT = VAR / "walkthrough" / "copy"
#: Seconds that a worker may take to end in good order.
PATIENCE = 15.0


def copy_project(folder: Path) -> Path:
    """The project's own source and tool settings, in a folder where a violation does no harm."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


@contextmanager
def copied(name: str = "newer") -> Iterator[Path]:
    """A copy in a folder by that name, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="walkthrough-") as folder:
        yield copy_project(Path(folder) / name)


def fresh_copy() -> Path:
    """A copy that stays where a person can look at it, until the next one or a reset; without what was planted in the last one."""
    remove_copy()
    return copy_project(KEPT)


def remove_copy() -> None:
    shutil.rmtree(KEPT, ignore_errors=True)


def plant(project: Path, path: str, source: str) -> None:
    """Add source at the end of a module; the module is made where there is none."""
    with (project / path).open("a", encoding="utf-8") as module:
        module.write(f"\n{source}\n")


def restore(project: Path, path: str) -> None:
    """Take out what was planted: the module is again as it is in the project, or gone."""
    if (ROOT / path).exists():
        shutil.copy(ROOT / path, project / path)
    else:
        (project / path).unlink(missing_ok=True)


def edit(project: Path, path: str, old: str, new: str) -> None:
    """Write `new` for each `old` in a file. Raises `LookupError` where there is none: the project moved on."""
    text = (project / path).read_text(encoding="utf-8")
    if old not in text:
        raise LookupError(f"{path} has no {old!r}.")
    (project / path).write_text(text.replace(old, new), encoding="utf-8")


def environment(project: Path) -> dict[str, str]:
    """For a process of a copy: its own source, and the databases, the broker and the logs of this one. For the project's own
    process, what this one has."""
    if project == ROOT:
        return dict(os.environ)
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, "VAR_DIR": str(VAR)}


def run(*command: str, project: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the virtual environment's programs in a copy of the project."""
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
    """A copy's worker on a context's queue. It ends with the block, and with this process, however that ends."""
    name = f"{project.name}-{context}"
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "config", "worker", "-Q", context, "-n", f"{name}@%h"]
    with (VAR / "log" / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            tethered(*command, *WORKER_OPTIONS),
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
