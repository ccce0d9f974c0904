"""The ledger's triggers count for any name and place of the table, and for any writer with any settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.apps.registry import Apps
from django.core.management import call_command
from django.core.management.sql import emit_pre_migrate_signal
from django.db import DatabaseError, connections, models, transaction

from messaging.celery import app
from messaging.database import engines
from messaging.database import guard as guard_sql
from messaging.database.guard import Guard
from messaging.database.tracked import Tracked
from messaging.ledger import ledger
from messaging.models import Ledger, Ownership
from messaging.operations.checks.tables import ledger_triggers_are_there
from messaging.operations.worker_startup import refuse_to_start
from messaging.ownership import Follower
from messaging.publisher import unseen
from messaging.publisher.feed import Feed
from messaging.settings import Alias
from users.events import UserErased
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def raw(statement: str, *parameters: Any) -> None:
    with connections["users"].cursor() as cursor:
        cursor.execute(statement, parameters or None)


def postgresql_only() -> None:
    if connections["users"].vendor != "postgresql":
        pytest.skip("SQLite has no roles, schemas, partitions or TRUNCATE")


@contextmanager
def tracked_table(table: str, *, create: str = "") -> Iterator[Tracked]:
    """Make a table with the columns `id` and `status` and the ledger's triggers."""

    class Thing(models.Model):
        id = models.IntegerField(primary_key=True)
        status = models.CharField(max_length=10)

        class Meta:
            apps = Apps()
            app_label = "things"
            db_table = table

    tracked = Tracked(Thing, ("status", "erased"))
    connection = connections["users"]
    try:
        if create:
            raw(create)
        else:
            with connection.schema_editor() as editor:
                editor.create_model(Thing)
        ledger.install("users", tracked)
        yield tracked
    finally:
        raw(f"DROP TABLE IF EXISTS {connection.ops.quote_name(tracked.model._meta.db_table)}")


def entries() -> list[tuple[str, int, bool]]:
    rows = Ledger.objects.using("users").filter(aggregate="things.thing").order_by("aggregate_id")
    return list(rows.values_list("aggregate_id", "version", "deleted"))


@pytest.mark.parametrize("table", ["with-a-hyphen", "Capitals and spaces", "a" * 38, "b" * 46, "c" * 51, "d" * 63, "it's"])
def test_every_name_of_a_table_has_a_ledger(table: str) -> None:
    with tracked_table(table) as tracked:
        assert not engines.for_alias("users").trigger_missing(connections["users"], tracked)
        tracked.model(id=1, status="new").save(using="users")
        tracked.model._base_manager.using("users").update(status="old")
        assert entries() == [("1", 2, False)]
        ledger.install("users", tracked)  # like the next migrate
        if connections["users"].vendor == "postgresql":
            raw(f'TRUNCATE "{table}"')
        else:
            raw(f'DELETE FROM "{table}"')
        assert entries() == [("1", 3, True)]


def test_two_long_names_with_the_same_beginning_are_kept_apart() -> None:
    with tracked_table("e" * 60 + "_1") as first, tracked_table("e" * 60 + "_2") as second:
        for number, tracked in enumerate((first, second)):
            tracked.model(id=number, status="new").save(using="users")
            assert not engines.for_alias("users").trigger_missing(connections["users"], tracked)
        assert [version for _, version, _ in entries()] == [1, 1]


@pytest.mark.parametrize("table", ['elsewhere"."thing', '"elsewhere"."thing"'])
def test_a_table_in_another_schema_has_a_ledger(table: str) -> None:
    postgresql_only()
    raw("CREATE SCHEMA elsewhere")
    try:
        with tracked_table(table) as tracked:
            assert engines.for_alias("users").table_exists(connections["users"], tracked.table)
            tracked.model(id=1, status="new").save(using="users")
            assert entries() == [("1", 1, False)]
    finally:
        raw("DROP SCHEMA elsewhere CASCADE")


def test_a_writer_needs_neither_rights_on_the_ledger_nor_a_search_path() -> None:
    postgresql_only()
    user = User.objects.using("users").create(email="role@example.org", name="Role")
    raw("CREATE ROLE only_writes")
    try:
        raw("GRANT USAGE ON SCHEMA public TO only_writes")
        raw("GRANT SELECT, UPDATE ON users_user TO only_writes")
        raw("SET ROLE only_writes")
        raw("CREATE TEMP TABLE messaging_ledger (aggregate text)")
        raw("SET search_path = pg_temp")
        raw("UPDATE public.users_user SET name = 'Written' WHERE id = %s", user.pk)
    finally:
        raw("RESET ROLE")
        raw("RESET search_path")
        raw("DROP TABLE IF EXISTS pg_temp.messaging_ledger")
        raw("DROP OWNED BY only_writes")
        raw("DROP ROLE only_writes")
    assert Ledger.objects.using("users").get(aggregate_id=str(user.pk)).version == 2


def test_nobody_else_may_make_triggers_with_the_functions() -> None:
    """A trigger names the aggregate, and the function has its owner's rights."""
    postgresql_only()
    with connections["users"].cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE proname LIKE 'messaging_ledger_users_user%' "
            "AND (NOT prosecdef OR has_function_privilege('public', oid, 'EXECUTE'))"
        )
        assert cursor.fetchall() == []


def test_a_missing_trigger_is_noticed_whichever_it_is() -> None:
    connection = connections["users"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT 'DROP TRIGGER ' || tgname || ' ON users_user' FROM pg_trigger "
                "WHERE tgrelid = 'users_user'::regclass AND tgname LIKE 'messaging_ledger%'"
            )
        else:
            cursor.execute(
                "SELECT 'DROP TRIGGER ' || name FROM sqlite_master "
                "WHERE type = 'trigger' AND tbl_name = 'users_user' AND name LIKE 'messaging_ledger%'"
            )
        drops = [drop for (drop,) in cursor.fetchall()]
    assert len(drops) >= 2
    for drop in drops:
        raw(drop)
        assert len(ledger_triggers_are_there(None, databases=["users"])) == 1, drop
        ledger.install("users", ledger.TRACKED["users.user"])
        assert ledger_triggers_are_there(None, databases=["users"]) == []


def test_a_proxy_is_tracked_by_its_table() -> None:
    with tracked_table("proxied") as tracked:

        class Seen(tracked.model):  # type: ignore[name-defined]
            class Meta:
                apps = tracked.model._meta.apps
                app_label = "things"
                proxy = True

        ledger.install("users", Tracked(Seen, ("status", "erased"), aggregate="things.thing"))
        Seen(id=1, status="new").save(using="users")
        tracked.model._base_manager.using("users").update(status="erased")
        assert entries() == [("1", 2, True)]


def test_another_column_may_be_the_key_and_a_condition_the_tombstone() -> None:
    """A changed key is a deletion of the old one. A condition that is NULL is no tombstone, and stops no writer."""
    create = "CREATE TABLE keyed (id integer PRIMARY KEY, status varchar(10), code varchar(10) NOT NULL UNIQUE)"
    with tracked_table("keyed", create=create) as tracked:

        class Keyed(models.Model):
            id = models.IntegerField(primary_key=True)
            status = models.CharField(max_length=10, null=True)
            code = models.CharField(max_length=10, unique=True)

            class Meta:
                apps = Apps()
                app_label = "things"
                db_table = tracked.table

        condition = models.Q(status__startswith="50% g") | models.Q(status="it's") | models.Q(code__isnull=True)
        gone = Tracked(Keyed, condition, "things.thing", "code")
        ledger.install("users", gone)
        raw("INSERT INTO keyed (id, status, code) VALUES (1, NULL, 'a'), (2, 'x', 'b'), (3, 'y', 'c'), (4, 'z', 'd')")
        raw("UPDATE keyed SET status = '50%% gone' WHERE id = %s", 2)
        raw("UPDATE keyed SET status = 'it''s' WHERE id = 3")
        raw("UPDATE keyed SET code = 'e' WHERE id = 4")
        assert entries() == [("a", 1, False), ("b", 2, True), ("c", 2, True), ("d", 2, True), ("e", 1, False)]
        assert unseen.unseen_ids(Alias("users"), feed_of(gone)) == []
        raw("DROP TRIGGER messaging_ledger_keyed" + (" ON keyed" if connections["users"].vendor == "postgresql" else "_delete"))
        raw("DELETE FROM keyed WHERE code IN ('a', 'b')")
        assert unseen.unseen_ids(Alias("users"), feed_of(gone)) == ["a"]
        unseen.enter_rows(Alias("users"), feed_of(gone))
        assert entries()[:2] == [("a", 2, True), ("b", 2, True)]
        assert not Ledger.objects.using("users").get(aggregate_id="a").erased


def test_a_key_that_changes_its_case_alone_is_another_id() -> None:
    """The host's column may compare without case on SQLite; ids never do."""
    case = "" if connections["users"].vendor == "postgresql" else "COLLATE NOCASE"
    with tracked_table("cased", create=f"CREATE TABLE cased (id integer, status varchar(10) PRIMARY KEY {case})") as tracked:
        by_status = Tracked(tracked.model, None, "things.thing", "status")
        ledger.install("users", by_status)
        raw("INSERT INTO cased (id, status) VALUES (1, 'a')")
        raw("UPDATE cased SET status = 'A'")
        assert entries() == [("A", 1, False), ("a", 2, True)]
        assert unseen.unseen_ids(Alias("users"), feed_of(by_status)) == []


def test_a_follower_s_rows_are_of_the_aggregate_that_their_model_is_tracked_as(monkeypatch: pytest.MonkeyPatch) -> None:
    with tracked_table("followed") as tracked:
        follower = Follower(using=Alias("users"), model=tracked.model, fields=(), unique=("status",), make_room=lambda key: {})
        assert follower.label == "things.thing"
        monkeypatch.setitem(ledger.TRACKED, "users.paper", Tracked(tracked.model, None, "users.paper"))
        assert follower.label == "users.paper"


def feed_of(tracked: Tracked) -> Feed:
    return Feed(
        model=tracked.model, facts=UserErased, aggregate=tracked.aggregate, key=tracked.key_name, tombstone=tracked.tombstone
    )


def test_a_change_of_ignored_columns_alone_is_no_change() -> None:
    """Any other column counts, also one that Django's model doesn't know."""
    with tracked_table("ignoring") as tracked:
        tracked.model(id=1, status="new").save(using="users")
        raw("ALTER TABLE ignoring ADD COLUMN note TEXT")
        ledger.install("users", replace(tracked, tombstone=None, ignored=("status",)))
        tracked.model(id=1, status="seen").save(using="users")  # writes every column
        raw("UPDATE ignoring SET status = 'seen again', note = NULL")
        assert entries() == [("1", 1, False)]
        raw("UPDATE ignoring SET status = 'new', note = 'by hand'")
        assert entries() == [("1", 2, False)]
        raw("DELETE FROM ignoring")
        assert entries() == [("1", 3, True)]
        raw("INSERT INTO ignoring (id, status) VALUES (1, 'back')")
        assert entries() == [("1", 4, False)]


def test_letters_in_another_case_are_a_change_beside_an_ignored_column() -> None:
    exactly = "TEXT COLLATE NOCASE" if connections["users"].vendor == "sqlite" else "TEXT"
    with tracked_table("ignoring_case") as tracked:
        raw(f"ALTER TABLE ignoring_case ADD COLUMN name {exactly}")
        ledger.install("users", replace(tracked, tombstone=None, ignored=("status",)))
        raw("INSERT INTO ignoring_case (id, status, name) VALUES (1, 'new', 'ann')")
        raw("UPDATE ignoring_case SET name = 'Ann'")
        assert entries() == [("1", 2, False)]


def test_a_renamed_table_counts_once() -> None:
    with tracked_table("before") as tracked:
        tracked.model(id=1, status="new").save(using="users")
        with connections["users"].schema_editor() as editor:
            editor.alter_db_table(tracked.model, "before", "after")
        tracked.model._meta.db_table = "after"
        ledger.install("users", tracked)
        tracked.model._base_manager.using("users").update(status="old")
        assert entries() == [("1", 2, False)]


PARTITIONED = "CREATE TABLE parted (id integer NOT NULL, status varchar(10) NOT NULL) PARTITION BY LIST (status)"


def test_a_row_that_changes_its_partition_is_no_erasure() -> None:
    postgresql_only()
    with tracked_table("parted", create=PARTITIONED) as tracked:
        raw("CREATE TABLE parted_new PARTITION OF parted FOR VALUES IN ('new')")
        raw("CREATE TABLE parted_rest PARTITION OF parted DEFAULT")
        ledger.install("users", tracked)
        raw("INSERT INTO parted VALUES (1, 'new'), (2, 'new'), (3, 'new')")
        raw("UPDATE parted SET status = 'old' WHERE id < 3")  # they move
        assert entries() == [("1", 2, False), ("2", 2, False), ("3", 1, False)]
        raw("DELETE FROM parted WHERE id = 1")
        raw("UPDATE parted SET id = 9, status = 'new' WHERE id = 2")  # it moves and changes its id
        assert entries() == [("1", 3, True), ("2", 3, True), ("3", 1, False), ("9", 1, False)]


@pytest.mark.parametrize(
    "statement", ["TRUNCATE parted_old", "ALTER TABLE parted DETACH PARTITION parted_old", "DROP TABLE parted_old"]
)
def test_rows_that_go_with_their_partition_are_found_by_comparing(statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No trigger fires for that. `republish` and each comparison look for it first; rows of an attached partition are found too."""
    postgresql_only()
    with tracked_table("parted", create=PARTITIONED) as tracked:
        monkeypatch.setitem(ledger.TRACKED, tracked.aggregate, tracked)
        feed = Feed(model=tracked.model, facts=UserErased, gone={}, announces=lambda facts, first: UserErased)
        raw("CREATE TABLE parted_new PARTITION OF parted FOR VALUES IN ('new')")
        raw("CREATE TABLE parted_old PARTITION OF parted FOR VALUES IN ('old')")
        ledger.install("users", tracked)
        raw("INSERT INTO parted VALUES (1, 'new'), (2, 'old')")
        raw(statement)
        assert entries() == [("1", 1, False), ("2", 1, False)]
        unseen.enter_rows(Alias("users"), feed)
        assert entries() == [("1", 1, False), ("2", 2, True)]
        raw("DROP TABLE IF EXISTS parted_old")
        raw("CREATE TABLE parted_old AS SELECT 2 AS id, 'old'::varchar(10) AS status")
        raw("ALTER TABLE parted_old ALTER id SET NOT NULL, ALTER status SET NOT NULL")
        raw("ALTER TABLE parted ATTACH PARTITION parted_old FOR VALUES IN ('old')")
        unseen.enter_rows(Alias("users"), feed)
        assert entries() == [("1", 1, False), ("2", 3, False)]


def test_an_older_releases_triggers_are_replaced() -> None:
    """For a table name of 38 to 46 characters, the row trigger had its name, and the one for TRUNCATE a shortened name."""
    postgresql_only()
    with tracked_table("f" * 45) as tracked:
        old = "messaging_ledger_" + "f" * 45
        raw(f"CREATE OR REPLACE FUNCTION {old}_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
        raw(f"CREATE OR REPLACE TRIGGER {old}_truncate AFTER TRUNCATE ON {'f' * 45} EXECUTE FUNCTION {old}_truncate()")
        ledger.install("users", tracked)
        with connections["users"].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", ["f" * 45])
            assert cursor.fetchone()[0] == 2


@pytest.mark.parametrize(
    "other",
    [
        "AFTER INSERT ON kept FOR EACH ROW EXECUTE FUNCTION messaging_ledger_kept('things.thing')",
        "AFTER INSERT OR UPDATE OR DELETE ON kept FOR EACH ROW EXECUTE FUNCTION messaging_ledger_kept('things.other')",
        "AFTER INSERT OR UPDATE OR DELETE ON kept FOR EACH ROW EXECUTE FUNCTION messaging_ledger_kept_truncate('things.thing')",
    ],
)
def test_a_trigger_that_differs_is_replaced(other: str) -> None:
    """One that is right stays, because creating it would need a lock."""
    postgresql_only()
    with tracked_table("kept") as tracked:
        raw(f"CREATE OR REPLACE TRIGGER messaging_ledger_kept {other}")
        ledger.install("users", tracked)
        tracked.model(id=1, status="new").save(using="users")
        tracked.model._base_manager.using("users").update(status="old")
        assert entries() == [("1", 2, False)]


@pytest.mark.parametrize("table", ["with-a-hyphen", "g" * 51])
def test_a_guard_stands_on_a_table_of_any_name_until_it_is_removed(table: str) -> None:
    """Also if the table was renamed meanwhile, and for a writer with rights on that table only."""
    connection, guards_ = connections["users"], guard_sql.for_alias("users")
    with tracked_table(table) as tracked:
        guard = Guard("things.thing", table, Alias("users"), "users", "billing")
        guards_.install(connection, guard)
        Ownership.objects.using("users").create(aggregate="things.thing", owner="billing", state="settled")
        with pytest.raises(DatabaseError, match="belongs to billing"):
            raw(f"INSERT INTO \"{table}\" VALUES (1, 'new')")
        with connection.schema_editor() as editor:
            editor.alter_db_table(tracked.model, table, "renamed")
        tracked.model._meta.db_table = "renamed"
        renamed = Guard("things.thing", "renamed", Alias("users"), "users", "billing")
        guards_.install(connection, renamed)
        assert guards_.there(connection, renamed)
        guards_.remove(connection, renamed)
        raw("INSERT INTO renamed VALUES (1, 'new')")
        assert entries() == [("1", 1, False)]


def test_a_guard_asks_the_ledgers_schema_whoever_writes() -> None:
    postgresql_only()
    with tracked_table("guarded") as tracked:
        guard = Guard("things.thing", "guarded", Alias("users"), "users", "billing")
        guard_sql.for_alias("users").install(connections["users"], guard)
        Ownership.objects.using("users").create(aggregate="things.thing", owner="users", state="settled")
        raw("CREATE ROLE only_writes")
        try:
            raw("GRANT INSERT ON guarded TO only_writes")
            raw("SET ROLE only_writes")
            raw("SET search_path = pg_temp")
            raw("INSERT INTO public.guarded VALUES (1, 'new')")
        finally:
            raw("RESET ROLE")
            raw("RESET search_path")
            raw("DROP OWNED BY only_writes")
            raw("DROP ROLE only_writes")
        assert tracked.model._base_manager.using("users").count() == 1


def drop_the_triggers() -> None:
    connection = connections["users"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP TRIGGER messaging_ledger_users_user ON users_user")
        else:
            cursor.execute("DROP TRIGGER messaging_ledger_users_user_update")


def test_migrate_installs_what_is_missing_and_is_not_stopped_by_the_check() -> None:
    drop_the_triggers()
    call_command("migrate", database="users", skip_checks=False, verbosity=0)
    assert ledger_triggers_are_there(None, databases=["users"]) == []


def test_a_worker_refuses_to_start_without_the_triggers(caplog: pytest.LogCaptureFixture) -> None:
    refuse_to_start(app)
    drop_the_triggers()
    with pytest.raises(SystemExit) as refused:
        refuse_to_start(app)
    assert refused.value.code == 3
    assert (
        "The table of users.user has no ledger trigger, so its changes get no version. Run `manage.py migrate --database users`."
        in caplog.text
    )


@contextmanager
def during_migrate(using: str) -> Iterator[None]:
    emit_pre_migrate_signal(verbosity=0, interactive=False, db=using)
    yield
    ledger.keep_no_longer(using)


def sqlite_only() -> None:
    if connections["users"].vendor != "sqlite":
        pytest.skip("only SQLite has INSERT OR REPLACE, and alters a table by making it anew")


UNIQUE = "CREATE TABLE uniques (id integer PRIMARY KEY, status varchar(10) NOT NULL UNIQUE, pair integer, UNIQUE (pair, status))"


def test_rows_removed_by_insert_or_replace_are_deletions() -> None:
    sqlite_only()
    with tracked_table("uniques", create=UNIQUE):
        raw("INSERT INTO uniques VALUES (1, 'a', 1), (2, 'b', 1)")
        raw("INSERT OR REPLACE INTO uniques VALUES (3, 'a', 1)")
        assert entries() == [("1", 2, True), ("2", 1, False), ("3", 1, False)]
        raw("INSERT OR REPLACE INTO uniques VALUES (3, 'b', 1)")  # the same key, and another row's name
        assert entries() == [("1", 2, True), ("2", 2, True), ("3", 2, False)]
        raw("INSERT INTO uniques VALUES (4, 'd', 1)")
        raw("UPDATE OR REPLACE uniques SET status = 'd' WHERE id = 3")
        assert entries() == [("1", 2, True), ("2", 2, True), ("3", 3, False), ("4", 2, True)]


def test_rows_that_are_not_replaced_are_no_deletions() -> None:
    """The statement is refused, does nothing, or updates the conflicting row."""
    sqlite_only()
    with tracked_table("uniques", create=UNIQUE):
        raw("INSERT INTO uniques VALUES (1, 'a', 1), (2, 'b', 1)")
        with pytest.raises(DatabaseError, match="UNIQUE"):
            raw("INSERT INTO uniques VALUES (3, 'a', 1)")
        raw("INSERT OR IGNORE INTO uniques VALUES (3, 'a', 1)")
        raw("INSERT INTO uniques VALUES (3, 'a', 1) ON CONFLICT (status) DO UPDATE SET pair = 2")
        raw("UPDATE OR IGNORE uniques SET status = 'a' WHERE id = 2")
        raw("INSERT INTO uniques VALUES (4, 'd', 1)")
        assert entries() == [("1", 2, False), ("2", 1, False), ("4", 1, False)]


def test_a_table_that_is_made_anew_keeps_counting_at_once() -> None:
    """A data migration after an AlterField runs before `migrate` installs the triggers."""
    sqlite_only()
    with tracked_table("altered") as tracked:
        guard = Guard("things.thing", "altered", Alias("users"), "users", "billing")
        guard_sql.for_alias("users").install(connections["users"], guard)
        tracked.model(id=1, status="new").save(using="users")
        with during_migrate("users"):
            with connections["users"].schema_editor() as editor:
                wider = models.CharField(max_length=20, null=True)
                wider.set_attributes_from_name("status")
                wider.model = tracked.model
                editor.alter_field(tracked.model, tracked.model._meta.concrete_fields[1], wider)
            raw("UPDATE altered SET status = 'old'")
        assert entries() == [("1", 2, False)]
        assert guard_sql.for_alias("users").there(connections["users"], guard)


@pytest.mark.parametrize("column", ["status", "other"])
def test_a_column_may_go_though_triggers_stand(column: str) -> None:
    """SQLite can't drop a column that a trigger names: here the tombstone's field, or one that no trigger knows."""
    sqlite_only()
    with tracked_table("altered") as tracked:
        raw("ALTER TABLE altered ADD COLUMN other integer")
        raw("INSERT INTO altered (id, status) VALUES (1, 'new')")
        with during_migrate("users"):
            raw(f'ALTER TABLE "altered" DROP COLUMN "{column}"')
            User.objects.using("users").create(email="beside@example.org", name="Beside")
            raw("UPDATE altered SET id = id")
        assert entries() == [("1", 1 if column == "status" else 2, False)]
        assert Ledger.objects.using("users").filter(aggregate="users.user").count() == 1
        assert engines.for_alias("users").trigger_missing(connections["users"], tracked) == (column == "status")


def test_a_column_of_the_ledger_may_go_too() -> None:
    """As when its migration is undone. The triggers that name it are left out."""
    sqlite_only()
    with during_migrate("users"), pytest.raises(Undone), transaction.atomic(using="users"):
        raw('ALTER TABLE "messaging_ledger" DROP COLUMN "erased"')
        assert engines.for_alias("users").trigger_missing(connections["users"], ledger.TRACKED["users.user"])
        raise Undone
    assert not engines.for_alias("users").trigger_missing(connections["users"], ledger.TRACKED["users.user"])


class Undone(Exception):
    """Rolls a transaction back."""


def test_triggers_that_no_longer_fit_their_table_are_left_out_until_the_end_of_migrate() -> None:
    sqlite_only()
    with tracked_table("altered") as tracked:
        with during_migrate("users"):
            with connections["users"].schema_editor() as editor:
                editor._remake_table(tracked.model, delete_field=tracked.model._meta.concrete_fields[1])  # type: ignore[attr-defined]
            raw("INSERT INTO altered (id) VALUES (1)")
        assert engines.for_alias("users").trigger_missing(connections["users"], tracked)
