"""Migrations go back, and the code of the release before them works then."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connections

from messaging.database import engines
from messaging.ledger.sequencer import stamp_pending
from messaging.models import Ledger, Mark
from users.models import User
from users.services import user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def back() -> Iterator[None]:
    """Migrate `users` back to before rounds left marks."""
    if connections["users"].vendor != "postgresql":
        pytest.skip("SQLite's round is no function of the database")
    call_command("migrate", "messaging", "0011", database="users", verbosity=0)
    yield
    call_command("migrate", "messaging", database="users", verbosity=0)


def position(user: object) -> int | None:
    return Ledger.objects.using("users").get(aggregate_id=str(user)).position


def test_a_database_that_went_back_stamps_and_leaves_marks_when_it_is_forward_again(back: None) -> None:
    one = User.objects.using("users").create(email="one@example.org", name="One").pk  # no trigger prevents it
    with connections["users"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, changed_at) "
            "VALUES ('users.user', %s, 1, 1, false, now())",
            [str(one)],
        )
    with connections["users"].cursor() as cursor:
        cursor.execute("SELECT messaging_stamp(100)")  # as the code of that release does
        assert cursor.fetchone() == (1,)
    call_command("migrate", "messaging", database="users", verbosity=0)
    two = user_register(email="two@example.org", name="Two").pk
    assert stamp_pending("users") == 1
    assert position(two) == 2
    first, second = Mark.objects.using("users").order_by("position")
    assert (first.position, first.first, first.previous) == (1, 1, "")
    assert (second.position, second.first, second.previous) == (2, 2, first.mark)


def test_a_database_that_was_made_without_migrations_can_stamp() -> None:
    engines.for_alias("users").remove_stamping(connections["users"])
    call_command("migrate", run_syncdb=True, database="users", verbosity=0)
    user_register(email="one@example.org", name="One")
    assert stamp_pending("users") == 1


def test_sqlite_makes_the_ledger_anew_though_the_last_release_s_triggers_name_it() -> None:
    if connections["users"].vendor != "sqlite":
        pytest.skip("PostgreSQL adds a column to the table that is there")
    call_command("migrate", "messaging", "0013", database="users", verbosity=0)
    try:
        with connections["users"].cursor() as cursor:
            cursor.execute(
                "CREATE TRIGGER messaging_ledger_users_user_insert AFTER INSERT ON users_user BEGIN "
                "INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, changed_at) "
                "VALUES ('users.user', NEW.id, 1, 0, 0, datetime('now')); END"
            )
    finally:
        call_command("migrate", "messaging", database="users", verbosity=0)
    one = user_register(email="one@example.org", name="One").pk
    assert Ledger.objects.using("users").get(aggregate_id=str(one)).version == 1
