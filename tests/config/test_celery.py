"""The Celery app: what it loads, and what its scheduler says when it is told to stop before it has begun."""

import signal
import subprocess
import sys
from pathlib import Path

from config.environment import ROOT
from tests.running import surroundings


def test_a_scheduler_that_is_told_to_stop_while_it_starts_says_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "--quiet", "-A", "tests.config.stopping", "beat", "--loglevel", "INFO"],
        cwd=ROOT,
        env=surroundings(tmp_path / "var"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert "told to stop at celery.app.routes" in said
    assert "Traceback" not in said
    assert done.returncode in {0, -signal.SIGTERM}


def test_a_command_that_needs_no_broker_loads_no_client_of_one(tmp_path: Path) -> None:
    """They are a quarter of what it would load otherwise, each time that anything is typed or started."""
    code = "import django, sys; django.setup(); print(*({'redis', 'valkey', 'kombu.transport.redis'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=surroundings(tmp_path / "var"), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
