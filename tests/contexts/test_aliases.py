"""A context is a name, and its database is a setting: everything works if no database alias equals a context's name, and if all
contexts share one database.

Code that uses a name as an alias then asks for a database that doesn't exist. Settings can't change in a running process, so
`moved.py` and `shared.py` run in their own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("chosen", "modules"),
    [("moved_settings", ["moved"]), ("shared_settings", ["moved", "shared"])],
    ids=["databases-not-called-as-their-contexts", "one-database-for-all-and-what-that-adds"],
)
def test_everything_works_wherever_the_contexts_are(request: pytest.FixtureRequest, chosen: str, modules: list[str]) -> None:
    engine = request.config.getoption("--engine")
    files = [f"tests/contexts/{module}.py" for module in modules]
    words = ("-q", "-p", "no:cacheprovider", "--engine", engine, "--ds", f"tests.contexts.{chosen}", *files)
    # DEBUG=0 leaves out the walkthrough, which knows this project's databases by name.
    environment = {**os.environ, "DEBUG": "0", "SECRET_KEY": "for this test alone", "ALLOWED_HOSTS": "*"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr
