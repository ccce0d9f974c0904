"""The accepted forms of a database's URL."""

import os
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler

from config.env import database


def of(monkeypatch, url):
    monkeypatch.setenv("ANY_DATABASE_URL", url)
    return database("ANY_DATABASE_URL", "any.sqlite3")


@pytest.mark.parametrize(
    ("places", "hosts", "ports"),
    [
        ("one:5433,two:5434", "one,two", "5433,5434"),
        ("one,two:5434", "one,two", "5432,5434"),
        ("one,two,three", "one,two,three", "5432,5432,5432"),
        ("[::1]:5433,two", "::1,two", "5433,5432"),
    ],
)
def test_several_hosts_are_tried_for_the_one_that_takes_writes(monkeypatch, places, hosts, ports):
    found = of(monkeypatch, f"postgres://who:p%40ss@{places}/name?connect_timeout=3")
    assert (found["HOST"], found["PORT"], found["PASSWORD"], found["NAME"]) == (hosts, ports, "p@ss", "name")
    assert found["OPTIONS"] == {"connect_timeout": 3, "target_session_attrs": "read-write"}


def test_the_urls_session_options_count(monkeypatch):
    found = of(monkeypatch, "postgres://who@one:1,two:2/name?target_session_attrs=any")
    assert found["OPTIONS"]["target_session_attrs"] == "any"
    assert "target_session_attrs" not in of(monkeypatch, "postgres://who@one/name")["OPTIONS"]


@pytest.mark.parametrize("places", ["one:x,two", "one:1:2,two", "one,,two"])
def test_hosts_that_cannot_be_read_are_one_sentence_without_the_password(monkeypatch, places):
    with pytest.raises(ImproperlyConfigured, match="ANY_DATABASE_URL is not a database URL") as caught:
        of(monkeypatch, f"postgres://who:secret@{places}/name")
    assert "secret" not in str(caught.value)


def test_the_url_can_name_a_pooler(monkeypatch):
    assert of(monkeypatch, "postgres://who@one/name?disable_server_side_cursors=true")["DISABLE_SERVER_SIDE_CURSORS"] is True


def test_the_second_host_answers_if_the_first_does_not(monkeypatch):
    real = urlsplit(os.environ["DATABASE_URL"])
    if real.scheme == "sqlite":
        pytest.skip("SQLite has no hosts")
    login, _, place = real.netloc.rpartition("@")
    found = of(monkeypatch, real._replace(netloc=f"{login}@127.0.0.1:1,{place}").geturl())
    parameters = ConnectionHandler({"default": found})["default"].get_connection_params()
    with psycopg.connect(**parameters) as connection:
        assert connection.info.port == real.port
