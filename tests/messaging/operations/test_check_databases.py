"""Checks that ask PostgreSQL about the way to it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connections

from messaging.database import pooler
from messaging.operations.checks.databases import databases_take_writes, poolers_keep_cursors
from tests.messaging.database import transaction_pooler
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def postgresql_only() -> None:
    if connections["users"].vendor != "postgresql":
        pytest.skip("SQLite has no server")


@pytest.fixture(params=[False, True], ids=["transaction", "session"])
def session(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Let the connection of users lead to a pooler. Its mode: True for sessions."""
    connection = connections["users"]
    connection.close()
    before: dict[str, Any] = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
    with transaction_pooler.pooler(connection.settings_dict, session=request.param) as port:
        connection.settings_dict.update(HOST="127.0.0.1", PORT=port)
        try:
            yield request.param
        finally:
            connection.close()
            connection.settings_dict.update(before)


def test_a_pooler_that_shares_connections_between_clients_is_a_warning(session: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(warning.id, warning.msg) for warning in poolers_keep_cursors(None, databases=["users"])]
    why = "The database 'users' is behind a pooler in transaction mode, so reads with a server-side cursor fail."
    assert found == ([] if session else [("messaging.W013", why)])
    monkeypatch.setitem(connections["users"].settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)  # as its hint says
    assert poolers_keep_cursors(None, databases=["users"]) == []


def test_a_cursor_is_lost_behind_such_a_pooler(session: bool) -> None:
    """Why the check warns: another client has the connection with the cursor now."""
    User.objects.using("users").bulk_create(User(email=f"{n}@example.org", name="x") for n in range(9))
    rows = User.objects.using("users").iterator(chunk_size=2)
    next(rows)
    with closing(connections["users"].copy()) as other:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")
        if session:
            assert len(list(rows)) == 8
        else:
            with pytest.raises((DatabaseError, psycopg.Error), match="cursor .* does not exist"):
                list(rows)


def test_without_a_pooler_it_is_one_round_trip(django_assert_num_queries: Any) -> None:
    connections["users"].ensure_connection()
    with django_assert_num_queries(1, using="users"):
        assert not pooler.shares_connections(connections["users"])


def test_a_database_that_takes_no_writes_is_a_warning() -> None:
    assert databases_take_writes(None, databases=["users"]) == []
    with connections["users"].cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            (warning,) = databases_take_writes(None, databases=["users"])
        finally:
            cursor.execute("RESET default_transaction_read_only")
    assert (warning.id, warning.msg) == (
        "messaging.W015",
        "The database 'users' takes no writes: it is set to default_transaction_read_only.",
    )
