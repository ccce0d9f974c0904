"""Older rows enter the ledger in batches beside writers, who wait for nobody long; and the feed is closed until they are in."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from psycopg.types.json import Jsonb

from messaging import failpoints
from messaging.database import engines, lock_waits
from messaging.errors import BeingEntered, TableBusy
from messaging.ledger import entering, leaving, ledger
from messaging.models import Ledger, Tracking
from messaging.publisher import republish, retention
from tests.delivery.stack import ROOT, database_url
from tests.probes import wait_for
from users.models import User
from users.services import user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
USER = ledger.TRACKED["users.user"]
LABEL = "users.user"


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entering, "FIRST_ROWS", 2)
    monkeypatch.setattr(entering, "MOST_ROWS", 2)
    monkeypatch.setattr(entering, "SMALL_ROWS", 3)


@pytest.fixture(autouse=True)
def _tracked_again() -> Iterator[None]:
    yield
    ledger.install("users", USER)
    entering.track("users", USER)


def older_users(number: int) -> list[User]:
    """Users from before the model was tracked, by their keys."""
    leaving.untrack("users", LABEL, USER.table)
    keys = sorted(uuid.UUID(int=n << 64) for n in range(1, number + 1))
    return User.objects.using("users").bulk_create(User(id=key, email=f"{key}@example.org", name="U") for key in keys)


def entries() -> dict[str, tuple[int, int, bool]]:
    rows = Ledger.objects.using("users").filter(aggregate=LABEL)
    return {key: (version, announced, deleted) for key, version, announced, deleted in rows.values_list(*ENTRY)}


ENTRY = ("aggregate_id", "version", "announced_version", "deleted")


@contextmanager
def at_each_batch(act: Callable[[], None]) -> Iterator[None]:
    def listen(step: str) -> None:
        if step == "track.entered":
            act()

    failpoints.listeners.append(listen)
    try:
        yield
    finally:
        failpoints.listeners.remove(listen)


def postgresql_only(why: str) -> None:
    if connections["users"].vendor != "postgresql":
        pytest.skip(why)


def test_few_rows_are_entered_at_once() -> None:
    users = older_users(3)
    ledger.install("users", USER)
    assert entries() == {str(user.pk): (1, 1, False) for user in users}
    assert not Tracking.objects.using("users").exists()


def test_many_rows_wait_for_track_and_get_their_positions_from_it() -> None:
    users = older_users(5)
    ledger.install("users", USER)
    assert entries() == {}
    expected: list[int] = []
    batches: list[int] = []
    done = entering.track("users", USER, expecting=expected.append, progress=batches.append)
    assert (done.rows, done.resumed, expected, batches) == (5, False, [5], [2, 2, 1])
    assert entries() == {str(user.pk): (1, 1, False) for user in users}
    assert not Ledger.objects.using("users").filter(position=None).exists()
    assert not Tracking.objects.using("users").exists()


def test_migrate_says_what_is_left_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    older_users(5)
    call_command("migrate", database="users", verbosity=1)
    assert "users.user has rows that aren't in the ledger yet, so its feed is closed." in capsys.readouterr().out
    with at_each_batch(lambda: stop(entering.unfinished("users", LABEL))), pytest.raises(Stopped):
        entering.track("users", USER)
    call_command("migrate", database="users", verbosity=1)
    said = capsys.readouterr().out
    assert (
        "users.user is still being entered in the ledger: 2 of 5 rows. Enter the rest beside the writers: manage.py track" in said
    )
    call_command("migrate", database="users", verbosity=0)
    assert capsys.readouterr().out == ""


class Stopped(BaseException):
    """Stands for the end of the process right after a batch."""


def stop(when: object) -> None:
    if when:
        raise Stopped


def test_what_is_written_meanwhile_counts_and_what_is_deleted_stays_so() -> None:
    first, second, third, fourth, fifth = (user.pk for user in older_users(5))
    ledger.install("users", USER)
    users, new = User.objects.using("users"), uuid.UUID(int=1)  # before every key that is there

    def write() -> None:
        if Tracking.objects.using("users").filter(entered=2):
            users.filter(pk=second).delete()  # it is entered
            users.filter(pk=fifth).delete()  # it isn't
            users.create(pk=new, email="new@example.org", name="New")

    user_suspend(user_id=fourth, reason="before the first batch")
    with at_each_batch(write):
        entering.track("users", USER)
    assert entries() == {
        str(new): (1, 0, False),
        str(first): (1, 1, False),
        str(second): (2, 1, True),
        str(third): (1, 1, False),
        str(fourth): (1, 1, False),
        str(fifth): (1, 0, True),
    }


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_row_whose_deletion_isn_t_committed_holds_up_nobody_and_ends_right(end: str) -> None:
    """The batch meets the uncommitted tombstone at the unique key. It must not wait with entries that other writers need."""
    postgresql_only("SQLite has one writer at a time")
    users = older_users(4)
    ledger.install("users", USER)
    said: list[str] = []
    with psycopg.connect(database_url("users")) as other, psycopg.connect(database_url("users"), autocommit=True) as writer:
        other.execute("DELETE FROM users_user WHERE id = %s", [users[1].pk])
        thread = in_thread(lambda: entering.track("users", USER, say=said.append))
        wait_for(lambda: said, timeout=30, what="the run to say what it waits for")
        writer.execute("SET lock_timeout = '5s'")
        for user in (users[0], users[3]):
            writer.execute("UPDATE users_user SET name = 'Written meanwhile' WHERE id = %s", [user.pk])
        getattr(other, end)()
        thread.join(30)
        assert said[0].startswith(
            f"Waiting for a transaction that wrote to users_user: process {other.info.backend_pid} has used it"
        )
    assert entries()[str(users[1].pk)] == ((1, 0, True) if end == "commit" else (1, 1, False))
    assert [entries()[str(user.pk)][0] for user in (users[0], users[2], users[3])] == [2, 1, 1]


def test_a_row_that_is_deleted_after_the_batch_has_read_it_stays_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement has read the row before the deletion commits, and waits at its tombstone."""
    postgresql_only("SQLite has one writer at a time")
    monkeypatch.setattr(entering, "LOCK_SECONDS", 30.0)
    users = older_users(4)
    ledger.install("users", USER)
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO messaging_ledger%'"
    with psycopg.connect(database_url("users")) as other, psycopg.connect(database_url("users"), autocommit=True) as looker:
        other.execute("DELETE FROM users_user WHERE id = %s", [users[1].pk])
        thread = in_thread(lambda: entering.track("users", USER))
        wait_for(lambda: looker.execute(waits).fetchone(), timeout=30, what="the batch to wait for the deletion")
        other.commit()
        thread.join(30)
    assert entries()[str(users[1].pk)] == (1, 0, True)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


KILLED = """
import os, signal
import django
django.setup()
from messaging import failpoints
from messaging.ledger import entering, ledger
entering.FIRST_ROWS = entering.MOST_ROWS = 2
batches = []
def listen(step):
    if step == "track.entered":
        batches.append(step)
        if len(batches) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
failpoints.listeners.append(listen)
entering.track("users", ledger.TRACKED["users.user"])
"""


def test_a_killed_run_resumes_behind_its_last_batch() -> None:
    users = older_users(7)
    ledger.install("users", USER)
    environment = {**os.environ, "USERS_DATABASE_URL": database_url("users"), "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(entries()) == 4
    expected: list[int] = []
    again = entering.track("users", USER, expecting=expected.append)
    assert (again.rows, again.resumed, expected) == (3, True, [3])
    assert entries() == {str(user.pk): (1, 1, False) for user in users}


def while_nothing_counts() -> None:
    engines.for_alias("users").remove_triggers(connections["users"], USER.table)
    User.objects.using("users").create(pk=uuid.UUID(int=1), email="new@example.org", name="While nothing counted")
    ledger.install("users", USER)


def test_a_trigger_that_was_missing_between_two_batches_makes_it_begin_again() -> None:
    older_users(5)
    ledger.install("users", USER)
    with at_each_batch(lambda: stop(True)), pytest.raises(Stopped):
        entering.track("users", USER)
    while_nothing_counts()
    assert entering.track("users", USER).rows == 6
    assert len(entries()) == 6


def test_a_trigger_that_was_missing_later_closes_no_feed_because_comparisons_find_the_rows() -> None:
    older_users(5)
    ledger.install("users", USER)
    entering.track("users", USER)
    while_nothing_counts()
    assert not Tracking.objects.using("users").exists()
    assert republish.republish("users").ids == [str(uuid.UUID(int=1))]


def test_two_runs_at_once_do_the_work_once() -> None:
    older_users(9)
    ledger.install("users", USER)
    runs: list[entering.Entered] = []
    threads = [in_thread(lambda: runs.append(entering.track("users", USER))) for _ in range(2)]
    for thread in threads:
        thread.join(60)
    assert sum(run.rows for run in runs) == 9
    assert len(entries()) == 9


def test_what_needs_every_row_is_refused_until_then() -> None:
    older_users(5)
    ledger.install("users", USER)
    with pytest.raises(BeingEntered, match="Enter the rest: manage.py track users.user"):
        republish.republish("users")
    with pytest.raises(BeingEntered):
        republish.preview("users")
    with pytest.raises(BeingEntered):
        retention.purge("users", older_than=timedelta(0))
    assert entries() == {}
    entering.track("users", USER)
    assert republish.republish("users").count == 0


@contextmanager
def long_transaction() -> Iterator[Any]:
    """A transaction that has written to the users, and goes on."""
    with psycopg.connect(database_url("users")) as other:
        other.execute("UPDATE users_user SET name = 'Long'")
        yield other


def test_while_the_triggers_wait_for_a_long_transaction_other_writers_go_on() -> None:
    postgresql_only("on SQLite a transaction keeps out every writer")
    users = older_users(2)
    said: list[str] = []
    with long_transaction() as other, psycopg.connect(database_url("users"), autocommit=True) as writer:
        thread = in_thread(lambda: ledger.install("users", USER, said.append))
        wait_for(lambda: said, timeout=30, what="the install to say what it waits for")
        writer.execute("SET lock_timeout = '5s'")
        for number in range(5):
            writer.execute(
                "INSERT INTO users_user SELECT (jsonb_populate_record(u, %s)).* FROM users_user u WHERE id = %s",
                [Jsonb({"id": str(uuid.uuid4()), "email": f"{number}@example.org"}), users[0].pk],
            )
        other.commit()
        thread.join(30)
        assert said[0].startswith(f"users_user is in use: process {other.info.backend_pid} has used it for")
    entering.track("users", USER)
    assert len(entries()) == 7


def test_triggers_that_are_there_need_no_lock() -> None:
    postgresql_only("on SQLite a transaction keeps out every writer")
    older_users(2)
    ledger.install("users", USER)
    waited_for: list[str] = []
    with long_transaction():
        ledger.install("users", USER, waited_for.append)
    assert waited_for == []


def test_a_table_that_is_always_in_use_makes_migrate_fail_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    postgresql_only("on SQLite a transaction keeps out every writer")
    older_users(2)
    monkeypatch.setattr(lock_waits, "PATIENCE_SECONDS", 0.0)
    with long_transaction() as other:
        with pytest.raises(CommandError, match="The triggers of users.user aren't installed: users_user is in use: ") as raised:
            call_command("migrate", database="users", verbosity=0)
        assert (raised.value.returncode, str(other.info.backend_pid) in str(raised.value)) == (3, True)
        with pytest.raises(TableBusy):
            ledger.install("users", USER)
