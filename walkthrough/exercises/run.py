"""Runs one check, in a process of its own: `python -m walkthrough.exercises.run FOLDER RESULT`.

FOLDER is the exercise's. The environment names the reader's files and the folder of the databases (`checker`). RESULT is a file for
the outcomes as JSON. With `--prepare` instead of FOLDER it only makes the databases.
"""

import ast
import importlib
import json
import os
import re
import resource
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

#: Bytes of the largest file that a check may write: a database, or what the reader's code prints.
LARGEST_FILE = 32 * 2**20
DATABASES = ("default", "users", "billing")


def main() -> None:
    folder, result = sys.argv[1:3]
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    if folder == "--prepare":
        _prepare()
        return
    files = Path(os.environ["EXERCISE_FILES"])
    outcome = _syntax(files) or _checked(Path(folder).name, files)
    Path(result).write_text(json.dumps(outcome), encoding="utf-8")


def _prepare() -> None:
    """Make the databases that each probe gets a copy of. No connection stays, so that each is one file."""
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    for alias in DATABASES:
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    for connection in connections.all():
        connection.close()


def _syntax(files: Path) -> dict[str, Any]:
    """Return the first error that keeps Python from reading a file; empty if there is none."""
    for path in sorted(files.rglob("*.py")):
        try:
            ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            return {"error": f"{path.relative_to(files)}, line {error.lineno}: Python can't read it: {error.msg}."}
        except ValueError as error:
            return {"error": f"{path.relative_to(files)}: Python can't read it: {error}."}
    return {}


def _checked(name: str, files: Path) -> dict[str, Any]:
    sys.path.insert(0, str(files))
    try:
        django.setup()
        importlib.import_module(f"walkthrough.exercises.{name}.check")
    except Exception as error:
        return {"error": _told(error, files)}
    return {"probes": list(_probed(files))}


def _probed(files: Path) -> Iterator[dict[str, Any]]:
    from walkthrough.exercises.probing import PROBES, Lacks

    for probe in PROBES:
        lacks, raised = "", False
        _emptied()
        try:
            probe.run()
        except Lacks as error:
            lacks = str(error)
        except Exception as error:  # of the reader's code, or of ours because of it: the page says which
            lacks, raised = _told(error, files), True
        yield {"claim": probe.claim, "lacks": lacks, "raised": raised}


def _emptied() -> None:
    """Put the databases back as they were made."""
    from django.db import connections

    for alias in DATABASES:
        connections[alias].close()
        file = Path(connections[alias].settings_dict["NAME"])
        for ending in ("-wal", "-shm"):
            file.with_name(file.name + ending).unlink(missing_ok=True)
        shutil.copy(Path(os.environ["EXERCISE_TEMPLATE"]) / file.name, file)


def _told(error: BaseException, files: Path) -> str:
    """Say what was raised, and at which line of the reader's files.

    A failed delivery has its handler's traceback in its text.
    """
    head, _, rest = str(error).strip().partition("\n")
    text = head if isinstance(error, AssertionError) else f"{type(error).__name__}{f': {head}' if head else ''}"
    frames = traceback.format_exception(error) if not rest else [rest]
    found = re.findall(rf'File "{re.escape(str(files))}/([^"]+)", line (\d+)', "".join(frames))
    where = f"{found[-1][0]}, line {found[-1][1]}: " if found else ""
    return f"{where}{text.rstrip('.')}."


if __name__ == "__main__":
    main()
