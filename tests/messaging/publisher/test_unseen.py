"""`republish` finds writes that no trigger noticed, such as those of a restore without triggers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django_outbox_pattern.models import Published

from billing.models import CachedUser
from messaging.database.outbox_pattern import WAITING
from messaging.models import Ledger
from messaging.publisher.republish import missing, preview, republish
from messaging.replica import search
from tests.commands.calling import call
from tests.messaging.rows import authority_has, cache_has
from users.models import User
from users.services import user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@contextmanager
def unseen(how: str) -> Iterator[Any]:
    """Let no trigger on the table fire meanwhile: by a replica's role, a restore that disables them, or without triggers."""
    connection = connections["users"]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'users_user'")
            triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f"DROP TRIGGER {name}")
            yield cursor
            for _, sql in triggers:
                cursor.execute(sql)
        elif how == "replica":
            cursor.execute("SET session_replication_role = replica")
            yield cursor
            cursor.execute("RESET session_replication_role")
        else:
            cursor.execute("ALTER TABLE users_user DISABLE TRIGGER ALL")
            yield cursor
            cursor.execute("ALTER TABLE users_user ENABLE TRIGGER ALL")


def entry(user: User) -> tuple[int, int, bool]:
    found = Ledger.objects.using("users").get(aggregate_id=str(user.pk))
    return found.version, found.announced_version, found.deleted


@pytest.mark.parametrize("how", ["replica", "disabled"])
def test_republish_finds_what_no_trigger_saw(how: str) -> None:
    kept, gone, changed, erased = (user_register(email=f"{name}@example.org", name=name) for name in ("k", "g", "c", "e"))
    user_suspend(user_id=changed.pk, reason="test")
    with unseen(how):
        new = User.objects.using("users").create(email="n@example.org", name="n")
        User.objects.using("users").filter(pk=gone.pk)._raw_delete("users")
        User.objects.using("users").filter(pk=erased.pk).update(status="erased", email="", name="")
        User.objects.using("users").filter(pk=changed.pk).update(status="active", suspension_reason="")
    expected = {str(user.pk) for user in (new, gone, changed, erased)}
    done = call("republish", "users", "--dry-run", "--json").json
    assert set(done["missing"]) == expected
    assert set(missing("users")) == set()  # --dry-run has recorded nothing
    assert set(republish("users").ids) == expected
    assert entry(kept) == (1, 1, False)
    assert entry(new) == (1, 1, False)
    assert entry(gone) == (2, 2, True)
    assert entry(erased) == (2, 2, True)
    assert entry(changed) == (3, 3, False)
    assert republish("users").ids == []


def test_a_dry_run_waits_for_no_writer_and_keeps_none_waiting() -> None:
    user = user_register(email="u@example.org", name="u")
    with unseen("disabled"):
        User.objects.using("users").filter(pk=user.pk).update(status="suspended")
    writer = connections["users"].copy()
    try:
        with writer.cursor() as cursor:
            if writer.vendor == "sqlite":
                cursor.execute("BEGIN IMMEDIATE")
            else:
                writer.set_autocommit(False)
                cursor.execute("LOCK TABLE messaging_ledger IN EXCLUSIVE MODE")
        with connections["users"].cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 500" if writer.vendor == "sqlite" else "SET lock_timeout = 500")
        assert preview("users") == [str(user.pk)]
    finally:
        writer.close()
        connections["users"].close()


BY_HAND = {
    "a text": '"hello"',
    "nothing in it": "{}",
    "no subject": '{"aggregateversion": 1, "data": {}}',
    "a list for a version": '{"subject": "x", "aggregateversion": [1], "data": {}}',
    "deep": "[" * 900 + "]" * 900,
    "a lone surrogate": '{"subject": "\\ud800", "aggregateversion": 1, "data": {}}',
}


@pytest.mark.parametrize("body", BY_HAND.values(), ids=BY_HAND.keys())
def test_a_row_of_the_outbox_that_is_no_event_holds_nobody_up(body: str) -> None:
    changed = user_register(email="c@example.org", name="c")
    with unseen("disabled"):
        User.objects.using("users").filter(pk=changed.pk).update(status="suspended")
    if "ud800" in body and connections["users"].vendor == "postgresql":
        pytest.skip("PostgreSQL takes none")
    Published.objects.using("users").create(destination="users.user.by_hand.v1", body={}, status=WAITING)
    with connections["users"].cursor() as cursor:
        cursor.execute("UPDATE published SET body = %s WHERE destination = 'users.user.by_hand.v1'", [body])
    assert call("republish", "users", "--dry-run", "--json").json["missing"] == [str(changed.pk)]
    assert republish("users").ids == [str(changed.pk)]


@pytest.mark.parametrize("how", ["replica", "disabled"])
def test_a_comparison_finds_what_no_trigger_saw(api: Any, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.02)
    gone, changed, erased, *_ = keys = authority_has(5)
    cache_has({key: (1, "active") for key in keys})
    with unseen(how):
        new = User.objects.using("users").create(email="n@example.org", name="n").pk
        rows = User.objects.using("users")
        rows.filter(pk=gone)._raw_delete("users")
        rows.filter(pk=changed).update(status="suspended")
        rows.filter(pk=erased).update(status="erased", email="", name="")
    found = call("reconcile", "billing", "--from", "users", "--json")
    assert found.code == 1
    assert {row["id"] for row in found.json["rows"]} == {str(key) for key in (new, gone, changed, erased)}
    assert call("reconcile", "billing", "--from", "users", "--repair", "--json").code == 0
    statuses = dict(CachedUser.objects.using("billing").values_list("pk", "status"))
    assert [statuses[key] for key in (new, gone, changed, erased)] == ["active", "erased", "suspended", "erased"]


def test_loaddata_moves_versions_and_records_no_event(tmp_path: Path) -> None:
    """Also into an empty ledger: the rows then begin at version 1."""
    user = user_register(email="l@example.org", name="l")
    fixture = tmp_path / "users.json"
    call_command("dumpdata", "users.user", database="users", output=str(fixture), verbosity=0)
    call_command("loaddata", str(fixture), database="users", verbosity=0)
    assert entry(user) == (2, 1, False)
    User.objects.using("users").filter(pk=user.pk)._raw_delete("users")
    Ledger.objects.using("users").all().delete()
    call_command("loaddata", str(fixture), database="users", verbosity=0)
    assert entry(user) == (1, 0, False)
    assert republish("users").ids == [str(user.pk)]
