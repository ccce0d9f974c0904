"""A host's own models are published, unmodified. Settings can't change in a running process, so `adopted.py` runs in its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_any_model_is_published_copied_compared_and_repaired(request: pytest.FixtureRequest) -> None:
    engine = request.config.getoption("--engine")
    words = ("-q", "-p", "no:cacheprovider", "--engine", engine, "--ds", "tests.adoption.settings", "tests/adoption/adopted.py")
    # DEBUG=0 leaves out the walkthrough, which knows this project's contexts by name.
    environment = {**os.environ, "DEBUG": "0", "SECRET_KEY": "for this test alone", "ALLOWED_HOSTS": "*"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr
