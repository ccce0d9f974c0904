"""Programs that the suite starts as forks."""

import os
import signal

from config.env import ROOT
from tests import warm
from tests.running import surroundings


def test_a_program_can_be_killed_with_its_group_as_soon_as_it_has_started(tmp_path):
    for _ in range(30):
        program = warm.start(["-c", "import time; time.sleep(60)"], cwd=ROOT, env=surroundings(tmp_path))
        os.killpg(program.pid, signal.SIGKILL)
        assert program.wait(timeout=10) == -signal.SIGKILL


def test_a_program_has_its_own_environment_folder_and_exit_code(tmp_path):
    words = ["-c", "import os, sys; print(os.getcwd(), os.environ['ONLY_HERE']); sys.exit(7)"]
    ended = warm.run(words, cwd=tmp_path, env={**surroundings(tmp_path), "ONLY_HERE": "yes"}, timeout=30)
    assert (ended.returncode, ended.stdout) == (7, f"{tmp_path} yes\n")
    assert "ONLY_HERE" not in os.environ
