"""A client's connections while a request is sent ahead: the caller asks at the same time, in another thread."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from messaging.replica import connections
from messaging.replica.client import AuthorityClient

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_two_first_requests_at_once_make_one_pool_and_both_count(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    real, together = connections.pool, Barrier(2)

    def slow(headers: Any) -> Any:
        time.sleep(0.1)
        made.append(real(headers))
        return made[-1]

    monkeypatch.setattr(connections, "pool", slow)
    client = AuthorityClient("users", "billing")

    def ask(_: int) -> dict[str, Any]:
        together.wait(10)
        return client.registration()

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(ask, range(2))
    client.close()
    assert one == other
    assert (len(made), client.round_trips) == (1, 2)
