"""One running system for all mysteries, as a reader starts it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Run, end
from tests.walkthrough.mystery.reader import Reader


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with tempfile.TemporaryDirectory(prefix="mystery-", ignore_cleanup_errors=True) as folder:
        run = Run(Path(folder))
        try:
            run.wait_for_line("Everything runs", timeout=120)
            found = Reader(run)
            found.login()
            yield found
        finally:
            end(run)
