"""The system that the stories run on."""

from collections.abc import Iterator

import pytest

from tests.properties.system import System, running


@pytest.fixture
def system(transactional_db: None) -> Iterator[System]:
    with running() as found:
        yield found
