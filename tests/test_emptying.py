"""A test leaves nothing behind for the next one."""

import pytest
from django.db import connections

from config.contexts import CONTEXTS
from messaging.models import Ledger
from tests import emptying
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def rows(alias: str) -> dict[str, int]:
    """Return every table with rows, without the schema's own rows."""
    connection, found = connections[alias], {}
    kept = emptying.KEPT | {"django_migrations"}
    with connection.cursor() as cursor:
        for table in set(connection.introspection.table_names(cursor)) - kept:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            found[table] = cursor.fetchone()[0]
    return {table: number for table, number in found.items() if number}


def write() -> None:
    User.objects.using("users").bulk_create(User(email=f"{number}@example.org", name="Ada") for number in range(5))


@pytest.mark.parametrize("large", [100_000, 1], ids=["little is deleted", "much is truncated"])
def test_nothing_is_left_of_rows_and_trigger_entries(monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    monkeypatch.setattr(emptying, "LARGE", large)
    write()
    assert rows("users") == {"messaging_ledger": 5, "users_user": 5}
    emptying.empty("users")
    assert rows("users") == {}


def test_every_database_is_empty_where_a_test_begins() -> None:
    assert [rows(alias) for alias in CONTEXTS] == [{}] * len(CONTEXTS)


def test_a_trigger_that_was_taken_away_is_put_back() -> None:
    connection = connections["users"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP TRIGGER messaging_ledger_users_user ON users_user")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'users_user'")
            for (name,) in cursor.fetchall():
                cursor.execute(f'DROP TRIGGER "{name}"')
    write()
    assert not Ledger.objects.using("users").exists()
    emptying.empty("users")
    write()
    assert Ledger.objects.using("users").count() == 5
