"""`long_migration`: a lock that blocks others, as in chapters 0 and 11."""

import threading

import pytest
from django.db import OperationalError, connections

from monolith.models import User
from monolith.services import register
from tests.commands.calling import call
from users.services import user_register
from walkthrough.control.table_locks import altering_users, patience

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def altering():
    """Let another connection alter the monolith's users until the test ends."""
    locked, through = threading.Event(), threading.Event()

    def migrate() -> None:
        with altering_users("monolith"):
            locked.set()
            through.wait(30)
        connections["monolith"].close()

    thread = threading.Thread(target=migrate)
    thread.start()
    assert locked.wait(30)
    yield
    through.set()
    thread.join()


def columns():
    with connections["monolith"].cursor() as cursor:
        return [column.name for column in connections["monolith"].introspection.get_table_description(cursor, "monolith_user")]


@pytest.mark.usefixtures("altering")
def test_writers_of_users_wait_meanwhile_and_give_up():
    with pytest.raises(OperationalError), patience("monolith", 0.1):
        register(email="ada@example.org", name="Ada")


@pytest.mark.usefixtures("altering")
def test_another_context_is_not_concerned():
    with patience("users", 0.1):
        assert user_register(email="ada@example.org", name="Ada").pk


def test_it_says_what_it_held_and_leaves_nothing_behind():
    done = call("long_migration", "monolith", "--seconds", "0.1", "--json")

    assert done.code == 0
    assert done.json == {"table": "monolith_user", "seconds": 0.1}
    assert "monolith_user is being altered" in done.err
    assert "nickname" not in columns()
    assert register(email="ada@example.org", name="Ada") == User.objects.get()


def test_patience_is_for_its_block_alone():
    with patience("monolith", 0.1):
        pass
    with connections["monolith"].cursor() as cursor:
        postgresql = connections["monolith"].vendor == "postgresql"
        cursor.execute("SHOW lock_timeout" if postgresql else "PRAGMA busy_timeout")
        assert cursor.fetchone()[0] == ("0" if postgresql else 30_000)


@pytest.mark.parametrize("words", [("billing",), ("nobody",), ("monolith", "--seconds", "0"), ("users", "--seconds", "61")])
def test_an_unknown_migration_is_wrong_usage(words):
    assert call("long_migration", *words).code == 2
