"""A new Django project that begins with `messaging` inside its one database, and moves a context out by a setting.

`accounts` and `billing` are all the code that it gains, `settings.txt` all the settings. Its database is a SQLite file.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from config.env import ROOT

FOLDER = Path(__file__).parent
APPS = ("accounts", "billing")
#: The databases' files: of the project as it is made, and of billing after its move.
TOGETHER, APART = "db.sqlite3", "billing.sqlite3"


def adopt(project: Path) -> None:
    """Add `messaging`, the two contexts and their settings to a project."""
    (project / "messaging").symlink_to(ROOT / "messaging")
    for app in APPS:
        shutil.copytree(FOLDER / app, project / app, ignore=shutil.ignore_patterns("__pycache__"))
    add_settings(project, "settings.txt")


def add_settings(project: Path, name: str) -> None:
    """Add a file of settings to the project's own."""
    with (project / "shop" / "settings.py").open("a") as settings:
        settings.write((FOLDER / name).read_text())


@contextmanager
def made() -> Iterator[Path]:
    """A project as `startproject` makes it, which has adopted `messaging`. It is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        project = Path(folder)
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        subprocess.run([sys.executable, "-m", "django", "startproject", "shop", "."], cwd=project, env=environment, check=True)
        settings = project / "shop" / "settings.py"
        settings.write_text(f'import os\n{settings.read_text()}INSTALLED_APPS += ["django_outbox_pattern"]\n')
        adopt(project)
        yield project


def counted(file: Path) -> dict[str, int]:
    """The rows of the tables of this story that are in a database."""
    tables = ("auth_user", "published", "messaging_ledger", "billing_account")
    if not file.exists():
        return {}
    with closing(sqlite3.connect(file)) as connection:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables if name in there}
