"""A consumer sends as many bounds in a request as its authority accepts; one of the last release accepts fewer."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from messaging.errors import Denied
from messaging.fingerprints import fingerprints
from messaging.http import serializers
from messaging.replica import client as asking
from tests.messaging.fingerprints.things import COPY, InProcess, Things, put, things

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def made() -> Iterator[Things]:
    with things("text") as made:
        ids = [f"{number:04x}" for number in range(0, 6000, 7)]
        put(made, dict.fromkeys(ids, "a"), {key: (1, "a") for key in ids})
        yield made


@pytest.fixture
def client(made: Things) -> InProcess:
    return InProcess(made)


@pytest.fixture
def _of_the_last_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the authority accept only as many bounds as before."""
    monkeypatch.setattr(serializers, "MOST_BOUNDS", 2_000)


def bounds(number: int) -> list[str]:
    return ["", *(f"{place:04x}" for place in range(1, number - 1)), ""]


def ours(made: Things, ranges: Sequence[Sequence[str]]) -> list[list[str]]:
    return fingerprints.of_cache(COPY, made.cache, ranges)


def test_as_many_as_may_be_asked_for_are_one_request(made: Things, client: InProcess) -> None:
    assert asking.MOST_BOUNDS == serializers.MOST_BOUNDS
    most = bounds(serializers.MOST_BOUNDS)
    assert client.fingerprints([most]) == ours(made, [most])
    assert client.round_trips == 1


@pytest.mark.usefixtures("_of_the_last_release")
def test_an_authority_of_the_last_release_is_asked_for_fewer_from_then_on(made: Things, client: InProcess) -> None:
    long = [bounds(5002)]
    assert client.fingerprints(long) == ours(made, long)
    assert client.round_trips == 1 + 4  # a refusal, and pieces of 1,251 and 1,252 bounds
    many = [[low, high] for low, high in pairwise(long[0][1:1502])]
    assert client.fingerprints(many) == ours(made, many)
    assert client.round_trips == 5 + 2
    both = [*many[:10], bounds(3000), *many[10:20]]
    assert client.fingerprints(both) == ours(made, both)


@pytest.mark.usefixtures("_of_the_last_release")
@pytest.mark.parametrize("number", [2, 3000])
def test_another_refusal_is_raised(client: InProcess, number: int) -> None:
    wrong = [*bounds(number)[:-1], "\x00"]
    with pytest.raises(Denied, match="without NUL"):
        client.fingerprints([wrong])
    assert client.round_trips <= 3


def test_a_refusal_for_another_reason_is_raised_at_once(client: InProcess) -> None:
    client.token = "unknown"
    with pytest.raises(Denied, match="doesn't know this token"):
        client.fingerprints([bounds(3000)])
    assert client.round_trips == 1
