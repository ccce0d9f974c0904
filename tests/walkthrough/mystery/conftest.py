"""The running system for all mysteries."""

import pytest

from tests.running import Run
from tests.walkthrough.mystery.reader import Reader


@pytest.fixture(scope="module")
def reader(whole_system: Run) -> Reader:
    found = Reader(whole_system)
    found.login()
    return found
