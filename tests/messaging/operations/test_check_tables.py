"""Checks of tracked tables: each finds a real table or trigger that is wrong, and its hint corrects it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.apps.registry import Apps
from django.core.checks import CheckMessage
from django.core.management import call_command
from django.db import connections, models
from django.db.models import Q

from messaging.database.tracked import Tracked
from messaging.ledger import ledger
from messaging.models import Ledger
from messaging.operations.checks.tables import tables_survive_a_crash, tracked_tables
from messaging.publisher.feed import declared_feed
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
USERS = ["users"]


def raw(statement: str) -> None:
    with connections["users"].cursor() as cursor:
        cursor.execute(statement)


def found() -> list[str]:
    return [str(message.id) for message in tracked_tables(None, databases=USERS)]


def migrate_as_its_hint_says(message: CheckMessage) -> None:
    assert message.hint is not None
    (command,) = re.findall(r"`manage\.py ([^`]+)`", message.hint)
    call_command(*command.split(), verbosity=0)
    assert found() == []


@pytest.fixture
def migrated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Afterwards the declarations and the triggers are as they were before."""
    yield
    monkeypatch.undo()
    call_command("migrate", database="users", verbosity=0)


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a tracked table `things` that doesn't exist yet, in the context users."""

    class Thing(models.Model):
        id = models.IntegerField(primary_key=True)
        status = models.CharField(max_length=10)

        class Meta:
            apps = Apps()
            app_label = "users"
            db_table = "things"

    ledger.TRACKED["users.thing"] = Tracked(Thing)
    try:
        yield "things"
    finally:
        del ledger.TRACKED["users.thing"]
        Ledger.objects.using("users").filter(aggregate="users.thing").delete()


def postgresql_only() -> None:
    if connections["users"].vendor != "postgresql":
        pytest.skip("SQLite has no such tables")


@pytest.mark.parametrize(
    "declaration",
    [
        {"tombstone": ("status", "suspended")},
        {"tombstone": Q(status="erased") | Q(email="")},
        {"tombstone": None},
        {"key_name": "email"},
    ],
)
@pytest.mark.usefixtures("migrated")
def test_a_trigger_of_another_declaration_is_stale(declaration: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert found() == []
    if "key_name" in declaration:  # a text as a key
        monkeypatch.setattr(User._meta.get_field("email"), "max_length", 100)
    monkeypatch.setitem(ledger.TRACKED, "users.user", replace(ledger.TRACKED["users.user"], **declaration))
    (warning,) = tracked_tables(None, databases=USERS)
    if "key_name" in declaration and connections["users"].vendor == "sqlite":
        assert warning.id == "messaging.W003"  # with another key, SQLite needs more triggers
        migrate_as_its_hint_says(warning)
        return
    assert warning.id == "messaging.W008"
    assert re.fullmatch(
        r"The trigger messaging_ledger_users_user\w* of users.user isn't the one of its declaration and this release, so it may "
        r"count the wrong key, aggregate, tombstone or columns\.",
        warning.msg,
    )
    migrate_as_its_hint_says(warning)


@pytest.mark.usefixtures("migrated")
def test_a_trigger_of_another_aggregate_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = replace(ledger.TRACKED["users.user"], aggregate="users.person")
    monkeypatch.delitem(ledger.TRACKED, "users.user")
    monkeypatch.setitem(ledger.TRACKED, "users.person", renamed)
    (warning,) = tracked_tables(None, databases=USERS)
    assert warning.id == "messaging.W008"
    migrate_as_its_hint_says(warning)
    Ledger.objects.using("users").filter(aggregate="users.person").delete()


def test_other_fields_need_no_other_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = declared_feed("users")
    assert feed is not None
    monkeypatch.setattr("users.feed.FEED", replace(feed, fields={"email": "name"}))
    assert found() == []


@pytest.mark.usefixtures("migrated")
def test_a_trigger_that_was_changed_by_hand_is_stale() -> None:
    if connections["users"].vendor == "postgresql":
        raw("""CREATE OR REPLACE FUNCTION messaging_ledger_users_user() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RETURN NULL; END $$""")
    else:
        raw("DROP TRIGGER messaging_ledger_users_user_update")
        raw("CREATE TRIGGER messaging_ledger_users_user_update AFTER UPDATE ON users_user BEGIN SELECT 1; END")
    (warning,) = tracked_tables(None, databases=USERS)
    assert warning.id == "messaging.W008"
    migrate_as_its_hint_says(warning)


@pytest.mark.usefixtures("migrated")
def test_a_trigger_that_is_left_from_an_earlier_name_is_stale() -> None:
    if connections["users"].vendor == "postgresql":
        raw("""CREATE TRIGGER messaging_ledger_old_name AFTER UPDATE ON users_user
            FOR EACH ROW EXECUTE FUNCTION messaging_ledger_users_user('users.user')""")
    else:
        raw("CREATE TRIGGER messaging_ledger_old_name_update AFTER UPDATE ON users_user BEGIN SELECT 1; END")
    (warning,) = tracked_tables(None, databases=USERS)
    assert (warning.id, "messaging_ledger_old_name" in warning.msg) == ("messaging.W008", True)
    if connections["users"].vendor == "postgresql":
        raw("DROP TRIGGER messaging_ledger_old_name ON users_user")
    else:
        migrate_as_its_hint_says(warning)


@pytest.mark.usefixtures("migrated")
def test_a_trigger_that_is_disabled_is_missing() -> None:
    postgresql_only()
    raw("ALTER TABLE users_user DISABLE TRIGGER messaging_ledger_users_user")
    (warning,) = tracked_tables(None, databases=USERS)
    assert (warning.id, warning.msg) == (
        "messaging.W003",
        "The table of users.user has no ledger trigger, so its changes get no version.",
    )
    migrate_as_its_hint_says(warning)


def test_a_table_of_a_partitioned_model_is_a_warning(table: str) -> None:
    postgresql_only()
    raw("CREATE TABLE things (id int PRIMARY KEY, status varchar(10) NOT NULL) PARTITION BY RANGE (id)")
    try:
        raw("CREATE TABLE things_few PARTITION OF things FOR VALUES FROM (1) TO (10)")
        ledger.install("users", ledger.TRACKED["users.thing"])
        (warning,) = tracked_tables(None, databases=USERS)
        assert (warning.id, warning.msg) == (
            "messaging.W011",
            "users.thing is the partitioned table things. TRUNCATE, ATTACH, DETACH and DROP of one partition fire no trigger.",
        )
        assert "`manage.py republish users`" in str(warning.hint)
        raw("ALTER TABLE things_few DISABLE TRIGGER ALL")
        assert found() == ["messaging.W003", "messaging.W011"]
        ledger.install("users", ledger.TRACKED["users.thing"])
        assert found() == ["messaging.W011"]
        raw("INSERT INTO things VALUES (1, 'new')")
        assert Ledger.objects.using("users").filter(aggregate="users.thing").count() == 1
    finally:
        raw("DROP TABLE things")


@pytest.mark.parametrize("kind", ["view", "materialized view", "foreign table"])
def test_what_is_no_table_of_its_own_is_an_error(table: str, kind: str) -> None:
    if kind != "view":
        postgresql_only()
    if kind == "foreign table":
        raw("CREATE EXTENSION file_fdw")
        raw("CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
        raw("CREATE FOREIGN TABLE things (id int, status text) SERVER files OPTIONS (filename '/dev/null')")
    else:
        raw(f"CREATE {kind} things AS SELECT 1 AS id, 'x' AS status")
    try:
        (error,) = tracked_tables(None, databases=USERS)
    finally:
        raw(f"DROP {kind} things")
        if kind == "foreign table":
            raw("DROP EXTENSION file_fdw CASCADE")
    shown = kind.replace("materialized ", "")
    assert (error.id, error.msg) == (
        "messaging.E006",
        f"users.thing is the {shown} things, and no trigger sees all changes of its rows.",
    )


def test_a_virtual_table_is_an_error(table: str) -> None:
    if connections["users"].vendor != "sqlite":
        pytest.skip("PostgreSQL has none")
    raw("CREATE VIRTUAL TABLE things USING fts5(id, status)")
    try:
        assert [error.msg.partition(",")[0] for error in tracked_tables(None, databases=USERS)] == [
            "users.thing is the virtual table things"
        ]
    finally:
        raw("DROP TABLE things")


def test_a_tracked_model_without_a_table_is_a_warning(table: str) -> None:
    (warning,) = tracked_tables(None, databases=USERS)
    assert (warning.id, warning.msg) == (
        "messaging.W014",
        "users.thing has no table: the database 'users' has no things.",
    )


@pytest.mark.parametrize("name", ["published", "messaging_ledger", "things"])
def test_an_unlogged_table_is_a_warning(table: str, name: str) -> None:
    postgresql_only()
    raw("CREATE TABLE things (id int PRIMARY KEY, status varchar(10))")
    try:
        assert tables_survive_a_crash(None, databases=USERS) == []
        raw(f"ALTER TABLE {name} SET UNLOGGED")
        (warning,) = tables_survive_a_crash(None, databases=USERS)
        assert warning.id == "messaging.W012"
        assert warning.msg.startswith(f"The table \"{name}\" of the database 'users' is unlogged: ")
        raw(str(warning.hint).partition(": ")[2])
        assert tables_survive_a_crash(None, databases=USERS) == []
    finally:
        raw("DROP TABLE things")


def test_all_tables_of_a_database_are_one_query(django_assert_num_queries: Any) -> None:
    postgresql_only()
    for check in (tracked_tables, tables_survive_a_crash):
        with django_assert_num_queries(1, using="users"):
            check(None, databases=USERS)
