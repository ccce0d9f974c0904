"""What holds for every test."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _contexts_keep_to_their_own_databases() -> Iterator[None]:
    """Invariant 12, at run time. It only listens, so tests without a database may have it too."""
    from config.guard import guarding

    with guarding():
        yield
