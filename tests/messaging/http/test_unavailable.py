"""A database that takes no writes, or in which other transactions interfere: 503 with a time to try again, never 500."""

import threading

import psycopg
import pytest
from django.db import connections

from tests.delivery.stack import database_url
from tests.probes import wait_for
from tests.read_only import kept_connection_is_read_only, read_only
from users.models import User
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


@pytest.fixture(params=["repeatable read", "serializable"])
def isolated(request):
    """Set the authority's connections to an isolation level under which the second of two writers fails."""
    connection = connections["users"]
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one isolation level")
    connection.close()
    level = request.param.replace(" ", "\\ ")
    connection.settings_dict["OPTIONS"]["options"] = f"-c default_transaction_isolation={level}"
    yield
    connection.close()
    del connection.settings_dict["OPTIONS"]["options"]


def moving_head(times):
    """Start another stamper that has the sequence whenever ours needs it, so many times; yields a thread to join."""
    holds = threading.Event()

    def hold():
        with psycopg.connect(database_url("users")) as other:
            for _ in range(times):
                other.execute("UPDATE messaging_sequence SET head = head")
                holds.set()
                wait_for(lambda: waits(other), timeout=30, what="the feed to wait for the sequence")
                other.commit()

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(30)
    return thread


def waits(other):
    return other.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()").fetchone()


def test_a_feed_that_lost_a_race_under_a_strict_isolation_level_asks_again(users_api, isolated):
    save(demo_users(3), with_events=False)
    users_api.changes(0)
    User.objects.using("users").all().update(name="B")
    thread = moving_head(1)
    answer = users_api.get("changes/?since=3")
    thread.join()
    assert (answer.status_code, len(answer.json()["results"])) == (200, 3)


def test_one_that_loses_every_race_is_unavailable(users_api):
    """For a lock that is never released, the server reports the same kind of error."""
    connection = connections["users"]
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite a writer waits for the whole file")
    save(demo_users(3), with_events=False)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '20ms'")
    with psycopg.connect(database_url("users")) as other:
        other.execute("LOCK TABLE messaging_sequence")
        assert users_api.get("changes/?since=0").status_code == 503
    assert len(users_api.changes(0)["results"]) == 3


@pytest.mark.parametrize("path", ["changes/?since=0", "changes/?since=0&checkpoint=0&live=true", "registration/", "fingerprints/"])
def test_a_host_may_wrap_every_request_in_a_transaction(users_api, monkeypatch, path):
    monkeypatch.setitem(connections["users"].settings_dict, "ATOMIC_REQUESTS", True)
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    save(demo_users(3), with_events=False)
    answer = users_api.post({"ids": []}) if path == "fingerprints/" else users_api.get(path)
    assert answer.status_code == 200, answer.content
