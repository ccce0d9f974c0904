"""A step's tools that run other programs: one that doesn't end by itself is stopped, and shown with what it printed."""

from collections.abc import Iterator

import psutil
import pytest

from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Played, Ran

ENDLESS = "import time\nnumber = 0\nwhile True:\n    print(f'try {number}')\n    number += 1\n    time.sleep(0.05)"


@pytest.fixture
def stage() -> Iterator[Stage]:
    yield Stage(Played("step"), {})
    assert not [one for one in psutil.Process().children() if one.is_running() and ENDLESS in one.cmdline()]


def test_a_program_without_an_end_is_stopped_when_it_has_printed_enough(stage: Stage) -> None:
    ran = stage.until("-c", ENDLESS, reached=lambda printed: printed.count("try") >= 3)
    assert "try 2" in ran.output
    assert ran.code == -15
    assert stage.played.entries == [ran]


def test_it_is_stopped_too_when_time_is_up(stage: Stage) -> None:
    ran = stage.until("-c", ENDLESS, reached=lambda printed: "never" in printed, timeout=0.5)
    assert ran.code == -15


def test_a_program_that_ends_by_itself_is_shown_with_its_exit_code(stage: Stage) -> None:
    assert stage.until("-c", "print('no'); raise SystemExit(3)", reached=lambda printed: False) == Ran(
        """python -c 'print('"'"'no'"'"'); raise SystemExit(3)'""", 3, "no"
    )
