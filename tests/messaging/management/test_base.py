"""Shared by all commands: durations, databases that don't answer, and how a refusal is printed."""

import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.commands.check import Command as DjangosCheck
from django.db import DatabaseError, OperationalError, connections
from django.db.utils import ConnectionHandler

from config.env import ROOT
from messaging.database import errors
from messaging.management import base
from tests import warm
from tests.running import surroundings
from tests.signing import INSTALLED

CLASS_FIRST = re.compile(r"^(WrongUsage|Refused|Found|\w+Error): ", re.MULTILINE)
#: What `check` says first where messages can't be signed.
WARNED = re.compile(r"\ASystem check .* \(messaging\.W017\) .*\(0 silenced\)\.\n", re.DOTALL)


def manage(folder, *words):
    """Run a command as a person types it, in an empty folder."""
    return warm.run(["manage.py", *words], cwd=ROOT, env=surroundings(folder), timeout=60)


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
    assert base.duration(text, "--ttl") == value


@pytest.mark.parametrize("text", ["", "15", "m", "-1h", "1.5h", "1 h", "1w", "1h30m", "36501d", "999999999d", "9" * 50 + "s"])
def test_invalid_durations(text):
    with pytest.raises(base.WrongUsage) as refused:
        base.duration(text, "--ttl")
    assert refused.value.returncode == 2


def test_a_lifetime_is_more_than_none():
    assert base.lifetime("1s") == timedelta(seconds=1)
    with pytest.raises(base.WrongUsage, match="is zero"):
        base.lifetime("0d")


def test_a_database_that_another_transaction_holds_is_not_called_stopped(tmp_path):
    with closing(sqlite3.connect(tmp_path / "held")) as holder, closing(sqlite3.connect(tmp_path / "held", timeout=0)) as late:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(base.Refused) as refused, base.database_errors_as_refusals("users"):
            try:
                late.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise OperationalError(str(error)) from error
    assert str(refused.value) == (
        "The database of users can't be used: database is locked. Another transaction holds it. Try again."
    )


def test_a_check_of_all_databases_names_the_one_that_is_unreachable(monkeypatch):
    """From Django 6.1 on, `check` without `--database` may open any of them."""

    def fails(*_, **__):
        raise OperationalError("unable to open database file")

    monkeypatch.setattr(DjangosCheck, "handle", fails)
    monkeypatch.setattr(errors, "takes_writes", lambda alias: alias != "users")
    with pytest.raises(base.Refused) as refused:
        call_command("check")
    assert str(refused.value) == "The database of users can't be used: unable to open database file. Start it, then try again."


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("statement", ["SELECT 1 FROM nowhere", "SELECT nonsense FROM messaging_consumer"])
def test_a_database_without_its_tables_is_refused_in_a_sentence(statement):
    with pytest.raises(base.Refused) as refused, base.database_errors_as_refusals("users"), connections["users"].cursor() as cursor:
        cursor.execute(statement)
    assert refused.value.returncode == 3
    assert str(refused.value).startswith("The database of users can't be used: ")
    assert "migrate --database users" in str(refused.value)


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_an_unreachable_database_is_named():
    away = dict(connections["billing"].settings_dict)
    if connections["billing"].vendor == "postgresql":
        away |= {"HOST": "127.0.0.1", "PORT": "1"}
    else:
        away |= {"NAME": "/nowhere/at/all.sqlite3"}
    connection = ConnectionHandler({"default": away, "billing": away})["billing"]
    real = connections["billing"]
    connections["billing"] = connection
    try:
        with pytest.raises(base.Refused) as refused, base.database_errors_as_refusals("users", "billing"):
            connections["billing"].ensure_connection()
    finally:
        connections["billing"] = real
    assert refused.value.returncode == 3
    assert str(refused.value).startswith("The database of billing can't be used: ")
    assert str(refused.value).endswith("Start it, then try again.")


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_wrong_statement_stays_a_bug():
    with (
        pytest.raises(DatabaseError, match="syntax error"),
        base.database_errors_as_refusals("users"),
        connections["users"].cursor() as cursor,
    ):
        cursor.execute("SELEKT 1")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("tour --chapter 99", 2, "There is no chapter 99. Choose one of: "),
        ("tour --yes", 3, "The system isn't running. Start it: make run, or python manage.py runserver, in another terminal."),
        ("catch_up nowhere --from users", 2, "'nowhere' is not a context of this process. Use one of: "),
        ("check --database users", 3, "The database of users has no tables yet, "),
        ("seed --users 1", 3, "The database of users can't be used: "),
    ],
)
def test_a_command_line_that_is_refused_gets_a_sentence_and_its_exit_code(tmp_path, words, code, said):
    done = manage(tmp_path, *words.split())
    refusal = done.stderr if INSTALLED else WARNED.sub("", done.stderr)
    assert done.returncode == code, done.stderr
    assert refusal.startswith(said), done.stderr
    assert not CLASS_FIRST.search(done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_traceback_shows_where_a_refusal_comes_from(tmp_path):
    done = manage(tmp_path, "tour", "--chapter", "99", "--traceback")
    assert "Traceback" in done.stderr
    assert "messaging.management.base.WrongUsage: There is no chapter 99." in done.stderr


def test_a_call_from_code_raises():
    with pytest.raises(base.WrongUsage) as refused:
        call_command("tour", chapter=99)
    assert refused.value.returncode == 2


def test_a_refusal_inside_another_command_is_reported_by_the_outer_one(capsys):
    class Outer(base.Command):
        def handle(self, *args, **options):
            call_command("tour", chapter=99)

    with pytest.raises(SystemExit) as ended:
        Outer().run_from_argv(["manage.py", "outer"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("There is no chapter 99.")
