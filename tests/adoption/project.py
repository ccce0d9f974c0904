"""A host's project on this machine: its databases, its commands and its programs."""

import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dj_database_url
import psycopg

from tests import warm
from tests.probes import wait_for
from tests.running import surroundings

HERE = Path(__file__).parent
PATIENCE = 60.0
#: The programs that run beside a host's own.
OURS = ("relay", "worker", "scheduler", "tend")


@contextmanager
def databases(folder: Path, engine: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Two empty databases: Django's settings of the first, and the second's name."""
    if engine == "sqlite":
        yield {}, str(folder / "billing.sqlite3")
        return
    server = dj_database_url.parse(os.environ["DATABASE_URL"])
    names = [f"shop_{secrets.token_hex(4)}" for _ in range(2)]
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/postgres"
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        try:
            yield {**server, "NAME": names[0]}, names[1]
        finally:
            for name in names:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def code_lines(*texts: str) -> int:
    return sum(1 for text in texts for line in text.splitlines() if line.strip())


class Project:
    """A project called `shop`, as `startproject` makes it, with a Celery of its own."""

    publisher = "accounts"
    copy = "SELECT account_id, active FROM billing_account"  #: the rows of billing's copy

    def __init__(self, folder: Path, broker: str, database: dict[str, Any], second: str, **environment: str) -> None:
        self.folder, self.broker, self.database, self.second = folder, broker, database, second
        self.log, self.exports = folder / "log.txt", folder / "exports.txt"
        self.settings = folder / "shop" / "settings.py"
        self.programs: dict[str, warm.Process] = {}
        variables = {"SHOP_BROKER_URL": broker, "SHOP_EXPORTS": str(self.exports), "BILLING_DATABASE": second, **environment}
        self.environment = {**surroundings(folder, **variables), "DJANGO_SETTINGS_MODULE": "shop.settings"}

    def start_project(self) -> None:
        words = ["-m", "django", "startproject", "shop", "."]
        done = warm.run(words, cwd=self.folder, env={**os.environ, "DJANGO_SETTINGS_MODULE": ""}, timeout=60)
        assert done.returncode == 0, done.stderr
        self.settings.write_text(f"import os\n{self.settings.read_text()}")
        if self.database:
            self.add_settings(f'\nDATABASES["default"] = {self.database!r}\n')
        shutil.copy(HERE / "host" / "celery.txt", self.folder / "shop" / "celery.py")
        (self.folder / "shop" / "__init__.py").write_text("from shop.celery import app as celery_app\n")

    def add_settings(self, lines: str) -> None:
        with self.settings.open("a") as file:
            file.write(lines)

    def manage(self, *words: str, code: int = 0) -> Any:
        """Run a command; returns its last line, as JSON if it is an object."""
        done = warm.run(["manage.py", *words], cwd=self.folder, env=self.environment, timeout=120)
        assert done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}{self.tail()}"
        last = (done.stdout.strip().splitlines() or [""])[-1]
        return json.loads(last) if last.startswith("{") else last

    def start(self, name: str, *words: str) -> None:
        with self.log.open("ab") as log:
            self.programs[name] = warm.start(words, cwd=self.folder, env=self.environment, stdout=log, stderr=log)

    def start_ours(self, *names: str) -> None:
        """Start messaging's four programs, or some of them."""
        contexts = {"relay": [self.publisher], "worker": ["billing"], "tend": ["billing"], "scheduler": []}
        for name in names or OURS:
            self.start(name, "manage.py", name, *contexts[name])

    def stop(self, *names: str) -> None:
        for name in names or tuple(self.programs):
            program = self.programs.pop(name)
            program.terminate()
            program.wait(timeout=PATIENCE)

    def place(self, *, moved: bool = False) -> str:
        """The URL of a database of PostgreSQL, or a SQLite file."""
        if not self.database:
            return self.second if moved else str(self.folder / "db.sqlite3")
        given = {**self.database, "NAME": self.second if moved else self.database["NAME"]}
        return f"postgresql://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"

    def ask(self, statement: str, *, moved: bool = False) -> list[Any]:
        """Run a statement as a program that isn't Django would; returns its rows."""
        place = self.place(moved=moved)
        connection: Any = psycopg.connect(place) if self.database else sqlite3.connect(place, timeout=30)
        with closing(connection), connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def wait_until_same(self, *, moved: bool = False) -> None:
        """Wait until the copy has every user with the same state."""

        def same() -> bool:
            copied = self.ask(self.copy, moved=moved)
            return sorted(self.ask("SELECT id, is_active FROM auth_user")) == sorted(copied)

        wait_for(same, timeout=PATIENCE, what="billing's copy to equal the users", seen=self.tail)

    def wait_for_exports(self, number: int) -> None:
        """Wait until this many of the host's own tasks have run, each once."""

        def ended() -> bool:
            return self.exports.exists() and self.exports.read_text().count("ended") >= number

        wait_for(ended, timeout=PATIENCE, what=f"{number} of the host's tasks to end", seen=self.tail)
        assert self.exports.read_text() == "began\nended\n" * number

    def tail(self) -> str:
        return self.log.read_text()[-4000:] if self.log.exists() else ""
