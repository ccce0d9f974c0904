"""What all commands share: durations, and databases that are away."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connections
from django.db.utils import ConnectionHandler

from messaging import cli


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        (" 1h ", timedelta(hours=1)),
        ("30d", timedelta(days=30)),
        ("0s", timedelta(0)),
        ("36500d", timedelta(days=36500)),
    ],
)
def test_durations(text, value):
    assert cli.duration(text) == value


@pytest.mark.parametrize("text", ["", "15", "m", "-1h", "1.5h", "1 h", "1w", "1h30m", "36501d", "999999999d", "9" * 50 + "s"])
def test_what_is_no_duration(text):
    with pytest.raises(cli.WrongUsage) as refused:
        cli.duration(text)
    assert refused.value.returncode == 2


def test_a_lifetime_is_more_than_none():
    assert cli.lifetime("1s") == timedelta(seconds=1)
    with pytest.raises(cli.WrongUsage, match="over at once"):
        cli.lifetime("0d")


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("statement", ["SELECT 1 FROM nowhere", "SELECT nonsense FROM messaging_consumer"])
def test_a_database_without_its_tables_is_refused_in_a_sentence(statement):
    with pytest.raises(cli.Refused) as refused, cli.answering("users"), connections["users"].cursor() as cursor:
        cursor.execute(statement)
    assert refused.value.returncode == 3
    assert str(refused.value).startswith("The database of users can't be used: ")
    assert "migrate --database users" in str(refused.value)


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_database_that_is_away_is_named():
    away = dict(connections["billing"].settings_dict)
    if connections["billing"].vendor == "postgresql":
        away |= {"HOST": "127.0.0.1", "PORT": "1"}
    else:
        away |= {"NAME": "/nowhere/at/all.sqlite3"}
    connection = ConnectionHandler({"default": away, "billing": away})["billing"]
    real = connections["billing"]
    connections["billing"] = connection
    try:
        with pytest.raises(cli.Refused) as refused, cli.answering("users", "billing"):
            connections["billing"].ensure_connection()
    finally:
        connections["billing"] = real
    assert refused.value.returncode == 3
    assert str(refused.value).startswith("The database of billing can't be used: ")
    assert str(refused.value).endswith("Start it, and try again.")


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_wrong_statement_stays_a_bug():
    with pytest.raises(DatabaseError, match="syntax error"), cli.answering("users"), connections["users"].cursor() as cursor:
        cursor.execute("SELEKT 1")
