"""Locks while rows move: who waits for whom, without a deadlock. PostgreSQL only, because SQLite has one writer at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from messaging import failpoints
from messaging.database import guard as guard_sql
from messaging.database import lock_waits
from messaging.ledger import ledger
from messaging.ownership import ownership
from messaging.publisher.republish import republish
from messaging.split import move
from monolith.models import Invoice, User
from tests.commands.calling import Ended, call
from tests.probes import wait_for
from users.models import User as Moved

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("unguarded")]


@pytest.fixture(autouse=True)
def web(transactional_db, live_server, settings, token_folder):
    """Serve both contexts' feeds."""
    if connections["monolith"].vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: live_server.url}


@pytest.fixture
def flipped() -> User:
    """A user that moved to `users`."""
    user = User.objects.using("monolith").create(email="ada@example.org", name="Ada")
    call("split", "users")
    assert call("split", "users", "--flip").code == 0
    return user


@contextmanager
def beside(using: str, work: Callable[[threading.Event, threading.Event], None]) -> Iterator[threading.Event]:
    """Run `work(began, go_on)` in a thread during the block, after `began`. It continues when the yielded event is set, or at the
    end. Its errors are raised here."""
    began, go_on, failed = threading.Event(), threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            work(began, go_on)
        except BaseException as error:
            failed.append(error)
        finally:
            connections[using].close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert began.wait(20), failed
        yield go_on
    finally:
        go_on.set()
        thread.join(30)
    assert not failed, failed


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    failpoints.listeners.append(listener)
    try:
        yield
    finally:
        failpoints.listeners.remove(listener)


@contextmanager
def beside_from(step: str, using: str, work: Callable[[threading.Event, threading.Event], None]) -> Iterator[list[threading.Event]]:
    """Like `beside`, but from the first time that this step is reached; the yielded list then has the event."""
    reached, events = list[str](), list[threading.Event]()
    with ExitStack() as stack:

        def start(name: str) -> None:
            if name == step and not reached:
                reached.append(name)
                events.append(stack.enter_context(beside(using, work)))

        with listening(start):
            yield events
    assert events, f"{step} was never reached"


def written_and_locked(began: threading.Event, go_on: threading.Event) -> None:
    """A committed write that isn't in the feed yet, and a slow `republish` that has locked its ledger entry."""
    Moved.objects.using("users").update(name="Written here")

    def wait(step: str) -> None:
        if step == "republish.locked" and not began.is_set():
            began.set()
            go_on.wait(60)

    with listening(wait):
        republish("users")


def test_a_change_that_a_lock_keeps_out_of_the_feed_keeps_the_rows_where_they_are(flipped):
    with beside_from("split.loaded", "users", written_and_locked):
        ended = call("split", "users", "--back", "--max-pause", "1s")
        assert (ended.code, "keeps a change out of the feed" in ended.err) == (3, True), ended
        assert call("split", "users", "--status", "--json").json["owner"] == "users"
    assert call("split", "users", "--back").code == 0
    assert User.objects.using("monolith").get(pk=flipped.pk).name == "Written here"


def test_a_change_that_comes_into_the_feed_during_the_pause_moves_along(flipped):
    with (
        beside_from("split.loaded", "users", written_and_locked) as started,
        listening(lambda step: started[0].set() if step == "split.paused" else None),
    ):
        ended = call("split", "users", "--back", "--json")
    assert (ended.code, ended.json["owner"]) == (0, "monolith")
    assert User.objects.using("monolith").get(pk=flipped.pk).name == "Written here"
    assert not ledger.unannounced("users").exists()


def holding(began: threading.Event, go_on: threading.Event) -> None:
    """Another transaction has read the row of `users.user` there, and doesn't end."""
    with transaction.atomic(using="users"), connections["users"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM messaging_ownership WHERE aggregate = 'users.user' FOR SHARE")
        began.set()
        go_on.wait(60)


def writing(using: str, table: str, began: threading.Event, go_on: threading.Event) -> None:
    """A writer during its statement: it has the table, but hasn't reached the trigger."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        began.set()
        wait_for(lambda: waits_for(using, table), timeout=20, what=f"somebody to wait for {table}")
        cursor.execute(f"UPDATE {table} SET name = 'In flight'")


def waits_for(using: str, table: str) -> bool:
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [table])
        return cursor.fetchone() is not None


@pytest.mark.parametrize(("option", "using", "table"), [("cancel", "monolith", "monolith_user"), ("retire", "users", "users_user")])
def test_the_end_of_a_split_and_a_writer_in_flight_do_not_wait_for_each_other(option, using, table):
    model = User if using == "monolith" else Moved
    User.objects.using("monolith").create(email="ada@example.org", name="Ada")
    call("split", "users")
    if option == "retire":
        assert call("split", "users", "--flip").code == 0
    with beside(using, lambda began, go_on: writing(using, table, began, go_on)):
        ended = call("split", "users", f"--{option}")
    assert ended.code == 0, ended
    assert model.objects.using(using).get().name == "In flight"


def test_the_end_of_a_split_and_a_follower_do_not_wait_for_each_other():
    """A follower locks the row before the table."""
    User.objects.using("monolith").create(email="ada@example.org", name="Ada")
    call("split", "users")

    def follow(began: threading.Event, go_on: threading.Event) -> None:
        with ownership.writing_as_follower("users", "users.user"):
            began.set()
            go_on.wait(20)
            Moved.objects.using("users").update(name="Followed")

    with beside("users", follow) as go_on, listening(lambda step: go_on.set() if step == "split.unguarded" else None):
        ended = call("split", "users", "--cancel")
    assert ended.code == 0, ended
    assert Moved.objects.using("users").get().name == "Followed"


def test_what_cannot_be_given_goes_back_to_whom_it_was_taken_from(monkeypatch):
    monkeypatch.setattr("messaging.ownership.ownership.PATIENCE_SECONDS", 0.5)
    User.objects.using("monolith").create(email="ada@example.org", name="Ada")
    call("split", "users")
    with beside_from("split.taken", "users", holding):
        ended = call("split", "users", "--flip")
        assert (ended.code, "monolith stays the owner" in ended.err) == (3, True), ended
        with ownership.writing("monolith", "monolith.user"):
            assert User.objects.using("monolith").update(name="Goes on") == 1
    assert call("split", "users", "--flip").code == 0
    assert Moved.objects.using("users").get().name == "Goes on"


def test_rows_that_are_between_are_said_to_be(monkeypatch):
    monkeypatch.setattr("messaging.ownership.ownership.PATIENCE_SECONDS", 0.5)
    found = move.split_of("users")
    call("split", "users")
    ownership.pause(found.old.guard, timedelta(seconds=30))
    assert ownership.take(found.old.guard)
    with beside("users", holding):
        ended = call("split", "users", "--flip")
    assert ended.code == 3
    assert (
        "Until then neither monolith nor users owns the rows, so nobody can write them. To finish: manage.py split users"
        in ended.err
    )
    assert call("split", "users", "--flip", "--json").json["owner"] == "users"


def test_a_long_transaction_about_another_split_holds_nobody(flipped):
    call("split", "billing")

    def hold(began: threading.Event, go_on: threading.Event) -> None:
        with transaction.atomic(using="monolith"):
            Invoice.objects.using("monolith").create(user_id=flipped.pk, period="2026-11", amount_minor=1, currency="EUR")
            began.set()
            go_on.wait(60)

    with beside("monolith", hold):
        ended = call("split", "users", "--back", "--json")
        assert (ended.code, ended.json["owner"]) == (0, "monolith"), ended
    assert Invoice.objects.using("monolith").exists()


def writing_for_long(began: threading.Event, go_on: threading.Event) -> None:
    """A transaction that has written to the monolith's users, and doesn't end."""
    with transaction.atomic(using="monolith"):
        User.objects.using("monolith").create(email="long@example.org", name="Long")
        began.set()
        go_on.wait(60)


def impatient_write(began: threading.Event, go_on: threading.Event) -> None:
    """Another writer of the same table, which gives up after a second."""
    with transaction.atomic(using="monolith"), connections["monolith"].cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        cursor.execute("UPDATE monolith_user SET name = 'Wrote meanwhile' WHERE email = 'ada@example.org'")
    began.set()


def test_writers_do_not_wait_while_a_guard_waits_for_a_long_transaction(monkeypatch):
    monkeypatch.setattr(lock_waits, "PATIENCE_SECONDS", 3.0)
    ada = User.objects.using("monolith").create(email="ada@example.org", name="Ada")
    ended = list[Ended]()

    def split() -> None:
        ended.append(call("split", "users"))
        for connection in connections.all(initialized_only=True):
            connection.close()

    with beside("monolith", writing_for_long) as go_on:
        thread = threading.Thread(target=split)
        thread.start()
        wait_for(lambda: waits_for("monolith", "monolith_user"), timeout=20, what="the split to wait for the table")
        with beside("monolith", impatient_write):
            pass
        assert User.objects.using("monolith").get(pk=ada.pk).name == "Wrote meanwhile"
        thread.join(30)
        go_on.set()
    assert ended[0].code == 3
    assert ended[0].err.count("monolith_user is in use: process ") == 2  # when it began to wait, and at the end
    assert "End that transaction or wait for it, then try again." in ended[0].err
    assert call("split", "users", "--json").json["verdict"] == "in_sync"


def test_migrate_does_not_wait_for_long_either(monkeypatch):
    monkeypatch.setattr(lock_waits, "PATIENCE_SECONDS", 1.0)
    User.objects.using("monolith").create(email="ada@example.org", name="Ada")
    call("split", "users")
    with connections["monolith"].cursor() as cursor:
        cursor.execute("DROP TRIGGER messaging_guard_monolith_user ON monolith_user")
    with beside("monolith", writing_for_long), pytest.raises(CommandError) as refused:
        call_command("migrate", database="monolith", verbosity=0)
    assert refused.value.returncode == 3
    assert str(refused.value).startswith("The guard of monolith.user isn't installed: monolith_user is in use: process ")
    call_command("migrate", database="monolith", verbosity=0)
    assert guard_sql.for_alias("monolith").there(connections["monolith"], move.split_of("users").old.guard)
