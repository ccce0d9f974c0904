"""What the programs that run all the time load, or leave out."""

import subprocess
import sys
from pathlib import Path

from config.env import ROOT
from tests.running import surroundings

LOADS = """
import sys
import django
from django.core.management import get_commands, load_command_class
django.setup()
for name in ("relay", "scheduler", "tend", "worker"):
    load_command_class(get_commands()[name], name)
print(*({"rich", "urllib3"} & sys.modules.keys()))
"""


def test_a_program_that_shows_no_bar_and_has_asked_no_authority_loads_nothing_for_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS], cwd=ROOT, env=surroundings(tmp_path / "var"), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
