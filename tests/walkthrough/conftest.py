"""What holds for the walkthrough's tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.env import ROOT
from tests.running import Run, end
from walkthrough.lab import history

PLANTED = Path(__file__).with_name("planted")


@pytest.fixture(autouse=True)
def _nobody_goes_on_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's thread takes one sample and ends: it must not look at a test's databases when the test is over."""
    monkeypatch.setattr(history, "REST", 0.0)


@pytest.fixture(scope="session")
def whole_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A `make run` for planted regressions and for mysteries, because a start takes as long as several of them.

    The plants are in all its processes, none of them switched on: the file that `TEST_PLANT` names isn't there.
    """
    folder = tmp_path_factory.mktemp("whole")
    path = os.pathsep.join(filter(None, [str(PLANTED), str(ROOT), os.environ.get("PYTHONPATH")]))
    run = Run(folder / "var", PYTHONPATH=path, TEST_PLANT=str(folder / "plant"))
    try:
        run.wait_for_line("Everything runs", timeout=120)
        yield run
    finally:
        end(run)
