"""A context is a name, and its database is a setting: everything works where no alias is called as its context is.

Whoever takes a name for an alias asks for a database that isn't there. The settings have to be others from the start, so `moved.py`
runs in a process of its own.
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
    # Without the walkthrough, whose rooms know this project's databases by heart.
    environment = {**os.environ, "DEBUG": "0", "SECRET_KEY": "for this test alone", "ALLOWED_HOSTS": "*"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr
