"""Expressions over a row's own columns become SQL for triggers, pages and fingerprints; others are refused by a sentence."""

from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connections, models
from django.db.models import Case, Count, Exists, ExpressionWrapper, F, Func, OuterRef, Q, Subquery, Value, When, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat, Length, Lower, Now, RowNumber, Upper

from messaging.database import columns
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

THINGS = Apps()


class Owner(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        apps = THINGS
        app_label = "things"


class Parent(models.Model):
    title = models.CharField(max_length=20)

    class Meta:
        apps = THINGS
        app_label = "things"


class Thing(Parent):
    name = models.CharField(max_length=20)
    size = models.IntegerField(null=True)
    owner = models.ForeignKey(Owner, on_delete=models.CASCADE)

    class Meta:
        apps = THINGS
        app_label = "things"
        db_table = "things_columns"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("name", "O'Neil 50% \\"),
        (F("name"), "O'Neil 50% \\"),
        (Concat(Value("%s ' \\ %% "), "name"), "%s ' \\ %% O'Neil 50% \\"),
        (Upper(Lower("name")), "O'NEIL 50% \\"),
        (F("size") * 2 + Value(1), 7),
        (Length("name"), 12),
        (Case(When(size__gt=2, then=Value("big")), default=Value("small"), output_field=models.CharField()), "big"),
        (Q(name__contains="50%"), True),
        (Q(name="it's \\ %"), False),
        (~Q(size=3), False),
        (Q(size__in=[1, 2, 3]) & ~Q(name__startswith="%"), True),
        (ExpressionWrapper(Q(size__isnull=True), output_field=models.BooleanField()), False),
        (F("owner"), 7),
        (Q(size__in=[]), False),
        (~Q(size__in=[]), True),
    ],
)
def test_a_source_has_the_same_value_in_a_query_and_in_a_trigger(source: Any, expected: Any) -> None:
    connection = connections["users"]
    assert list(columns.refusals("users", Thing, source)) == []
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS things_columns")
        cursor.execute(
            "CREATE TABLE things_columns (parent_ptr_id integer, name varchar(20), size integer, owner_id integer, seen text)"
        )
        try:
            values: list[str | int] = ["O'Neil 50% \\", 3, 7]
            cursor.execute("INSERT INTO things_columns (parent_ptr_id, name, size, owner_id) VALUES (1, %s, %s, %s)", values)
            sql = columns.sql_of("users", Thing, source, "t")
            cursor.execute(f"SELECT {sql} FROM things_columns t")
            assert cursor.fetchone()[0] == expected
            cursor.execute(f"SELECT {columns.escaped(sql)} FROM things_columns t WHERE size = %s", [3])
            assert cursor.fetchone()[0] == expected
            new = columns.sql_of("users", Thing, source, "NEW")
            if connection.vendor == "sqlite":
                cursor.execute(
                    "CREATE TRIGGER things_seen AFTER UPDATE OF size ON things_columns BEGIN "
                    f"UPDATE things_columns SET seen = {new}; END"
                )
            else:
                cursor.execute(
                    "CREATE OR REPLACE FUNCTION things_seen() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN "
                    f"NEW.seen = {new}; RETURN NEW; END $body$"
                )
                cursor.execute(
                    "CREATE TRIGGER things_seen BEFORE UPDATE OF size ON things_columns FOR EACH ROW EXECUTE FUNCTION things_seen()"
                )
            cursor.execute("UPDATE things_columns SET size = size")
            cursor.execute(f"SELECT seen, CAST({sql} AS text) FROM things_columns t")
            seen, selected = cursor.fetchone()
            assert seen == selected
        finally:
            cursor.execute("DROP TABLE things_columns")
            if connection.vendor == "postgresql":
                cursor.execute("DROP FUNCTION IF EXISTS things_seen()")


OTHER_TABLE = "uses a column of another table, which no trigger on this one sees"
SUBQUERY = "has a subquery, and no trigger on this table sees a change of other rows"


@pytest.mark.parametrize(
    ("source", "refusal"),
    [
        (F("owner__name"), OTHER_TABLE),
        (Q(owner__name="x"), OTHER_TABLE),
        (F("title"), OTHER_TABLE),
        (Q(title="x"), OTHER_TABLE),
        (Exists(User.objects.all()), SUBQUERY),
        (Subquery(User.objects.values("pk")[:1]), SUBQUERY),
        (Q(name__in=User.objects.values("name")), SUBQUERY),
        (~Exists(User.objects.filter(name=OuterRef("name"))), SUBQUERY),
        (Now(), "has Now(), whose value doesn't come from the row and changes by itself"),
        (Case(When(size=1, then=Now()), default=Value(None)), "has Now(), whose value doesn't come from the row"),
        (Func(function="random", output_field=models.FloatField()), "has Func(), whose value doesn't come from the row"),
        (RawSQL("size + 1", [], output_field=models.IntegerField()), "has raw SQL"),
        (Count("name"), "has an aggregate or a window"),
        (Window(RowNumber()), "has an aggregate or a window"),
        (F("weight"), "can't be resolved: Cannot resolve keyword 'weight'"),
        (F("size") + F("name"), "can't be resolved: "),
    ],
)
def test_what_a_trigger_on_the_table_can_not_know_is_refused(source: Any, refusal: str) -> None:
    found = list(columns.refusals("users", Thing, source))
    assert found
    assert any(why.startswith(refusal) for why in found), found


@pytest.mark.parametrize("source", [Q(name__regex="^a"), Func("name", function="MD5", output_field=models.CharField())])
def test_functions_of_django_s_own_are_refused_on_sqlite_alone(source: Any) -> None:
    found = list(columns.refusals("users", Thing, source))
    if connections["users"].vendor == "sqlite":
        (why,) = found
        assert why.startswith("needs what only Django's connections have on SQLite, so other programs couldn't write: no such f")
    else:
        assert found == []


@pytest.mark.parametrize("name", ["title", "id"])
def test_a_column_of_the_parents_table_is_none_of_the_child_s(name: str) -> None:
    with pytest.raises(TypeError, match=rf"things\.Thing\.{name} is a column of another table, things_parent"):
        columns.column(Thing, name)
    assert columns.column(Thing, "pk").column == "parent_ptr_id"
