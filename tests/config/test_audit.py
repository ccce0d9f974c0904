"""The audit of what is installed: where nobody answers it says so, and fails only where it is required."""

import os
import subprocess
import sys

from config.environment import ROOT


def audit(**environment: str) -> subprocess.CompletedProcess[str]:
    nowhere = {name: "http://127.0.0.1:9" for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY")}
    return subprocess.run(
        [sys.executable, "-m", "tests.audit"],
        cwd=ROOT,
        env={**os.environ, "NO_PROXY": "", "no_proxy": "", **nowhere, **environment},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_without_a_vulnerability_database_it_says_so_and_passes() -> None:
    done = audit()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The vulnerability database can't be asked, so nothing was audited: " in done.stdout


def test_where_it_is_required_that_is_a_failure() -> None:
    done = audit(REQUIRE_AUDIT="1")
    assert done.returncode == 1
    assert "REQUIRE_AUDIT is set, so that is a failure." in done.stdout
