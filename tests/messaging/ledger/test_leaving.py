"""Nothing stays behind: a model that isn't tracked any more, and a project from which messaging is removed."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.apps.registry import Apps
from django.db import connections, models
from psycopg import sql

from messaging.database.tracked import Tracked
from messaging.errors import BeingEntered
from messaging.ledger import entering, leaving, ledger
from messaging.models import Ledger, Tracking
from tests import schema
from tests.delivery.stack import ROOT
from tests.engines import DATABASES

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class Thing(models.Model):
    code = models.CharField(max_length=10, primary_key=True)

    class Meta:
        apps = Apps()
        app_label = "things"
        db_table = "left_alone"


TRACKED = Tracked(Thing, None)


@pytest.fixture
def things() -> Iterator[None]:
    """A host's table with three rows."""
    with connections["users"].schema_editor() as editor:
        editor.create_model(Thing)
    Thing._base_manager.using("users").bulk_create(Thing(code=code) for code in "abc")
    yield
    with connections["users"].schema_editor() as editor:
        editor.delete_model(Thing)


def untrack() -> int:
    return leaving.untrack("users", TRACKED.aggregate, TRACKED.table)


def test_the_schema_is_as_it_was_before(things: None) -> None:
    before = schema.dump("users")
    ledger.install("users", TRACKED)
    Thing._base_manager.using("users").filter(code="b").delete()
    assert schema.dump("users") != before
    assert untrack() == 3
    assert schema.dump("users") == before
    assert not Ledger.objects.using("users").filter(aggregate=TRACKED.aggregate).exists()
    Thing._base_manager.using("users").create(code="d")
    assert not Ledger.objects.using("users").exists()


def test_the_last_model_takes_all_with_it(things: None) -> None:
    """On SQLite the triggers share a table."""
    user = ledger.TRACKED["users.user"]
    leaving.untrack("users", user.aggregate, user.table)
    try:
        assert "messaging_replaced" not in schema.dump("users")
        before = schema.dump("users")
        ledger.install("users", TRACKED)
        untrack()
        assert schema.dump("users") == before
    finally:
        ledger.install("users", user)


def test_a_model_whose_table_was_dropped_leaves_no_function() -> None:
    before = schema.dump("users")
    with connections["users"].schema_editor() as editor:
        editor.create_model(Thing)
    ledger.install("users", TRACKED)
    Thing._base_manager.using("users").create(code="a")
    with connections["users"].schema_editor() as editor:
        editor.delete_model(Thing)
    assert untrack() == 1
    assert schema.dump("users") == before


def test_other_models_stay_tracked(things: None) -> None:
    ledger.install("users", TRACKED)
    user = ledger.TRACKED["users.user"]
    row = user.model._base_manager.using("users").create(email="ada@example.org", name="Ada")
    assert untrack() == 3
    user.model._base_manager.using("users").filter(pk=row.pk).update(name="Ada L.")
    assert Ledger.objects.using("users").get().version == 2


def test_a_model_that_is_being_entered_can_leave(things: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messaging.ledger.entering.SMALL_ROWS", 0)
    before = schema.dump("users")
    ledger.install("users", TRACKED)
    assert Tracking.objects.using("users").exists()
    assert untrack() == 0
    assert not Tracking.objects.using("users").exists()
    assert schema.dump("users") == before


def test_a_killed_run_is_finished_by_the_next(things: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "BATCH_ROWS", 1)
    ledger.install("users", TRACKED)

    def killed(step: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("messaging.failpoints.listeners", [killed])
        with pytest.raises(KeyboardInterrupt):
            untrack()
    with pytest.raises(BeingEntered):  # half of the entries are no feed
        entering.require_entered("users", TRACKED.aggregate)
    assert untrack() == 2
    assert not Ledger.objects.using("users").exists()


UNINSTALL = """
import json, sys
import django
django.setup()
from django.core.management import call_command
from django.db import connections, models
from messaging.database.tracked import Tracked
from messaging.ledger import ledger
from messaging.database import guard
from messaging.models import Ledger
from tests import schema

class Thing(models.Model):
    class Meta:
        app_label = "users"
        db_table = "host_thing"

place = sys.argv[1]
with connections["users"].schema_editor() as editor:
    editor.create_model(Thing)
call_command("migrate", "django_outbox_pattern", database="users", verbosity=0)
before = schema.dump_of(place)
call_command("migrate", database="users", verbosity=0)
ledger.install("users", Tracked(Thing, None))
held = guard.Guard("users.thing", "host_thing", "users", "users", "billing")
guard.for_alias("users").install(connections["users"], held)
Thing.objects.using("users").create()
counted = Ledger.objects.using("users").filter(aggregate="users.thing").count()
call_command("migrate", "messaging", "zero", database="users", verbosity=0)
Thing.objects.using("users").create()  # a trigger that stayed would fail
print(json.dumps({"counted": counted, "before": before, "after": schema.dump_of(place)}))
"""


@pytest.fixture
def empty_database(tmp_path: Path) -> Iterator[str]:
    """A new database's URL."""
    server = os.environ["USERS_DATABASE_URL"]
    if server.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'users.sqlite3'}"
        return
    name = f"tests_{secrets.token_hex(4)}_uninstalled"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_migrate_zero_leaves_a_host_s_tables_as_they_were(empty_database: str, tmp_path: Path) -> None:
    """Also those of apps that stay: without the ledger, a trigger would make each of their writes fail."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in DATABASES},
        "DATABASE_URL": f"sqlite:///{tmp_path / 'django.sqlite3'}",
        "USERS_DATABASE_URL": empty_database,
        "CONTEXTS": "users",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    place = empty_database.removeprefix("sqlite:///")
    done = subprocess.run(
        [sys.executable, "-c", UNINSTALL, place], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["counted"] == 1
    assert found["after"] == found["before"]
