"""A database that takes nothing, or in which others are in the way: 503 and when to ask again, never 500."""

import pytest

from tests.read_only import kept_connection_is_read_only, read_only
from users.seeding import demo_users, save

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_the_feed_is_unavailable_and_not_broken(users_api):
    save(demo_users(3), with_events=False)
    with read_only("users"):
        answer = users_api.get("changes/?since=0")
    assert (answer.status_code, answer.json()["reason"]) == (503, "database_unavailable")
    assert answer["Retry-After"]
    assert len(users_api.changes(0)["results"]) == 3


def test_a_kept_connection_to_a_demoted_server_fails_once(users_api):
    save(demo_users(3), with_events=False)
    kept_connection_is_read_only("users")
    assert users_api.get("changes/?since=0").status_code == 503
    assert len(users_api.changes(0)["results"]) == 3
