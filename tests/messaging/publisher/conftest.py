"""A relay of users."""

from collections.abc import Iterator

import pytest

from messaging.celery import app
from messaging.publisher.relay import Relay


@pytest.fixture
def relay() -> Iterator[Relay]:
    relay = Relay("users", app)
    yield relay
    relay.sender.close()
