"""A context is a name, and its database is a setting: everything works if no database alias equals a context's name.

Code that uses a name as an alias then asks for a database that doesn't exist. Settings can't change in a running process, so
`moved.py` runs in its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_everything_works_on_databases_that_are_not_called_as_their_contexts(request: pytest.FixtureRequest) -> None:
    engine = request.config.getoption("--engine")
    words = ("-q", "-p", "no:cacheprovider", "--engine", engine, "--ds", "tests.contexts.moved_settings", "tests/contexts/moved.py")
    # DEBUG=0 leaves out the walkthrough, which knows this project's databases by name.
    environment = {**os.environ, "DEBUG": "0", "SECRET_KEY": "for this test alone", "ALLOWED_HOSTS": "*"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr
