"""What wakes a relay, and how it works if nothing can."""

import threading
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.utils import ConnectionHandler

from messaging.database import wakeup
from messaging.database.wakeup import Waiter

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def postgresql():
    if connections["users"].vendor != "postgresql":
        pytest.skip("LISTEN is PostgreSQL's")


@pytest.fixture
def pooled_listen(postgresql):
    """Simulate LISTEN behind a pooler: it is accepted, but the connection used next doesn't listen."""

    def execute(run, sql, *arguments):
        done = run(sql, *arguments)
        if sql.startswith("LISTEN"):
            run("UNLISTEN *", *arguments)
        return done

    with connections["users"].execute_wrapper(execute):
        yield


def commit():
    """Commit from another connection, like other processes."""

    def write():
        with transaction.atomic(using="users"):
            wakeup.wake("users")
        connections["users"].close()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


def test_a_commit_wakes_a_waiter(postgresql, caplog):
    waiter = Waiter("users")
    waiter.wait()  # the first wait only listens
    commit()
    waiter.wait(60)
    waiter.close()
    assert not caplog.records


def test_a_commit_of_a_program_of_the_last_release_wakes_a_waiter(postgresql):
    waiter = Waiter("users")
    waiter.wait()
    with connections["users"].cursor() as cursor:
        cursor.execute("SELECT pg_notify('messaging_outbox', 'billing')")
        assert not waiter.wait(0.2)
        cursor.execute("NOTIFY messaging_outbox")
    assert waiter.wait(60)
    waiter.close()


def test_if_listen_does_not_work_the_waiter_polls_and_logs_it_once(pooled_listen, caplog, monkeypatch):
    monkeypatch.setattr(wakeup, "HEARD_SECONDS", 0.1)
    waiter = Waiter("users")
    for _ in range(2):
        waiter.wait()
        waiter.wait(0.01)
        connections["users"].close()
    (record,) = caplog.records
    said = record.getMessage()
    assert "commits don't wake the relay, because LISTEN doesn't work on this connection: it looks every 1 s." in said


def test_listening_keeps_no_connection_of_djangos_own_pool(postgresql):
    pytest.importorskip("psycopg_pool")
    settings = connections["users"].settings_dict
    pooled = {
        **settings,
        "CONN_MAX_AGE": 0,
        "OPTIONS": {**settings["OPTIONS"], "pool": {"min_size": 1, "max_size": 2, "timeout": 5}},
    }
    real = connections["users"]
    own: Any = ConnectionHandler({"default": pooled, "users": pooled})["users"]
    connections["users"] = own
    try:
        for _ in range(3):
            Waiter("users").wait()
            connections["users"].close()
        assert "requests_errors" not in own.pool.get_stats()
    finally:
        own.close_pool()
        connections["users"] = real


def test_it_is_tried_again_with_each_connection(postgresql, caplog, monkeypatch):
    monkeypatch.setattr(wakeup, "HEARD_SECONDS", 0.1)
    waiter = Waiter("users")
    with connections["users"].execute_wrapper(lambda run, sql, *rest: run("UNLISTEN *" if "LISTEN" in sql else sql, *rest)):
        waiter.wait()
    assert len(caplog.records) == 1
    connections["users"].close()
    monkeypatch.setattr(wakeup, "HEARD_SECONDS", 30.0)
    waiter.wait()
    commit()
    waiter.wait(60)
    assert len(caplog.records) == 1
