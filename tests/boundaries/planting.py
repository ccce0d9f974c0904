"""Copies of the project with a violation planted in them, and the commands that must reject it."""

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

from config.environment import ROOT

PARTS = ("users", "billing", "monolith", "messaging", "config", "walkthrough", "demo", "manage.py", "pyproject.toml")


def copy_project(folder: Path) -> Path:
    """The project's own source and tool settings, in a folder where a violation does no harm."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def plant(project: Path, path: str, source: str) -> None:
    """Add source at the end of a module; the module is made where there is none."""
    with (project / path).open("a", encoding="utf-8") as module:
        module.write(f"\n{source}\n")


def run(*command: str, project: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the virtual environment's programs in a copy of the project."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program = Path(sys.executable).parent / command[0]
    return subprocess.run(
        [str(program), *command[1:]], cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def planted_module(name: str, source: str) -> Any:
    """A module by that name, as if a context held it: its functions are taken for the context's."""
    module = types.ModuleType(name)
    exec(compile(source, f"{name.replace('.', '/')}.py", "exec"), module.__dict__)
    return module
