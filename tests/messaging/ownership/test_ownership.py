"""Ownership: the guard on a table lets only the owner write, by any kind of write."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, connections, transaction

from messaging.database import guard as guard_sql
from messaging.errors import MovedAway, Moving, NotFollowing
from messaging.models import Ledger, Ownership
from messaging.ownership import ownership
from messaging.split import move
from monolith.models import Invoice, User
from tests.probes import wait_for
from users.models import User as Moved
from users.services import user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
LONG = timedelta(seconds=30)
LABEL = "monolith.user"


@pytest.fixture
def split(unguarded):
    """Begin the users' split: the monolith owns them, and nothing is loaded."""
    found = move.split_of("users")
    move.begin(found)
    return found


def ada(**values) -> User:
    return User.objects.using("monolith").create(email="ada@example.org", name="Ada", **values)


def hand_over(split) -> None:
    ownership.pause(split.old.guard, LONG)
    assert ownership.take(split.old.guard)
    ownership.give(split.new.guard)
    ownership.settle(split.old.guard)


def raw(alias: str, statement: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)


WAYS = {
    "save": lambda user: user.save(using="monolith"),
    "update": lambda user: User.objects.using("monolith").filter(pk=user.pk).update(name="B"),
    "create": lambda user: User.objects.using("monolith").create(email="new@example.org"),
    "bulk_create": lambda user: User.objects.using("monolith").bulk_create([User(email="new@example.org")]),
    "delete": lambda user: user.delete(using="monolith"),
    "raw SQL": lambda user: raw("monolith", "UPDATE monolith_user SET name = 'B'"),
    "raw delete": lambda user: raw("monolith", "DELETE FROM monolith_user"),
}


def write(way, user) -> None:
    with ownership.writing("monolith", LABEL), transaction.atomic(using="monolith"):
        way(user)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_what_moved_away_is_refused(split, way):
    user = ada()
    hand_over(split)
    with pytest.raises(MovedAway, match=r"monolith\.user belongs to users: write there"):
        write(WAYS[way], user)
    assert list(User.objects.using("monolith").values_list("pk", "name")) == [(user.pk, "Ada")]


def test_truncate_is_a_way_to_write_too(split):
    if connections["monolith"].vendor != "postgresql":
        pytest.skip("SQLite knows only DELETE")
    ada()
    hand_over(split)
    with pytest.raises(MovedAway), ownership.writing("monolith", LABEL):
        raw("monolith", "TRUNCATE monolith_user CASCADE")


def test_the_owner_writes_and_the_follower_does_not(split):
    ada()
    with pytest.raises(MovedAway, match=r"users\.user belongs to monolith"), ownership.writing("users", "users.user"):
        user_register(email="bob@example.org", name="Bob")
    hand_over(split)
    assert user_register(email="bob@example.org", name="Bob").pk


def test_without_a_split_nothing_is_guarded(unguarded):
    ada()
    user_register(email="bob@example.org", name="Bob")
    assert not Ownership.objects.using("monolith").exists()
    assert ownership.owns("monolith", LABEL)
    assert not ownership.follows("users", "users.user")


def test_during_a_pause_writers_are_asked_to_try_again(split):
    user = ada()
    ownership.pause(split.old.guard, LONG)
    with pytest.raises(Moving, match="try again in a moment"), ownership.writing("monolith", LABEL):
        user.save(using="monolith")
    ownership.lift(split.old.guard)
    user.save(using="monolith")


def test_a_pause_ends_by_itself_though_nobody_lifts_it(split):
    user = ada()
    ownership.pause(split.old.guard, timedelta(seconds=0.3))

    def writes() -> bool:
        try:
            with ownership.writing("monolith", LABEL):
                user.save(using="monolith")
        except Moving:
            return False
        return True

    assert not writes()
    wait_for(writes, timeout=10, what="the pause to end by itself")
    assert not ownership.take(split.old.guard), "what was written since would be lost"
    assert ownership.owns("monolith", LABEL)


def test_nobody_writes_during_the_hand_over(split):
    user = ada()
    ownership.pause(split.old.guard, LONG)
    assert ownership.take(split.old.guard)
    with pytest.raises(Moving), ownership.writing("monolith", LABEL):
        user.save(using="monolith")
    with pytest.raises(MovedAway), ownership.writing("users", "users.user"):
        user_register(email="bob@example.org", name="Bob")
    assert move.recover(split) == "An earlier hand-over to users was finished."
    assert user_register(email="bob@example.org", name="Bob").pk
    with pytest.raises(MovedAway), ownership.writing("monolith", LABEL):
        user.save(using="monolith")


@pytest.mark.parametrize("steps", range(5))
@pytest.mark.parametrize("back", [False, True])
def test_wherever_a_hand_over_stops_it_is_finished_or_taken_back(split, steps, back):
    ada()
    giver, receiver = split.old, split.new
    if back:
        hand_over(split)
        giver, receiver = receiver, giver
    done = [
        lambda: ownership.pause(giver.guard, LONG),
        lambda: ownership.take(giver.guard),
        lambda: ownership.give(receiver.guard),
        lambda: ownership.settle(giver.guard),
    ]
    for step in done[:steps]:
        step()
        owners = [side for side in (giver, receiver) if ownership.owns(side.context, side.guard.label)]
        assert len(owners) <= 1
    move.recover(split)
    expected = giver if steps < 2 else receiver
    assert move.owner(split) == expected
    assert move.standing(split)["state"] == "settled"
    assert move.recover(split) == ""


def test_the_pause_waits_for_a_writer_in_flight_and_the_next_one_sees_it(split):
    """On SQLite the transaction has the write lock, on PostgreSQL the trigger's lock. The pause comes after it in both."""
    user = ada()
    wrote, may_commit, paused = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        try:
            with transaction.atomic(using="monolith"):
                User.objects.using("monolith").filter(pk=user.pk).update(name="in flight")
                wrote.set()
                may_commit.wait(20)
        finally:
            connections["monolith"].close()

    def hold() -> None:
        try:
            ownership.pause(split.old.guard, LONG)
            paused.set()
        finally:
            connections["monolith"].close()

    writer, mover = threading.Thread(target=write), threading.Thread(target=hold)
    writer.start()
    assert wrote.wait(20)
    mover.start()
    if connections["monolith"].vendor == "postgresql":
        wait_for(waits_for_a_lock, timeout=10, what="the pause to wait for the writer")
    assert not paused.is_set()
    may_commit.set()
    writer.join(20)
    assert paused.wait(20)
    mover.join(20)
    assert User.objects.using("monolith").get(pk=user.pk).name == "in flight"
    with pytest.raises(Moving), ownership.writing("monolith", LABEL):
        user.save(using="monolith")


def waits_for_a_lock() -> bool:
    with connections["monolith"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
        return cursor.fetchone() is not None


def test_a_writer_in_flight_for_too_long_keeps_the_rows_where_they_are(split):
    if connections["monolith"].vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time, and the mover waits its turn")
    user = ada()
    wrote, may_commit = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with transaction.atomic(using="monolith"):
                User.objects.using("monolith").filter(pk=user.pk).update(name="in flight")
                wrote.set()
                may_commit.wait(20)
        finally:
            connections["monolith"].close()

    writer = threading.Thread(target=write)
    writer.start()
    assert wrote.wait(20)
    with pytest.raises(OperationalError, match="lock timeout"):
        ownership.pause(split.old.guard, timedelta(seconds=0.2))
    may_commit.set()
    writer.join(20)
    user.save(using="monolith")


def test_the_follower_passes_only_inside_its_own_transaction(split):
    with ownership.writing_as_follower("users", "users.user"):
        Moved.objects.using("users").create(email="a@example.org", name="A", origin_version=1)
    with pytest.raises(MovedAway), ownership.writing("users", "users.user"):
        Moved.objects.using("users").update(name="B")


def test_a_follower_that_fails_leaves_no_door_open(split):
    with pytest.raises(RuntimeError), ownership.writing_as_follower("users", "users.user"):
        raise RuntimeError("in the middle of it")
    with pytest.raises(MovedAway), ownership.writing("users", "users.user"):
        Moved.objects.using("users").create(email="a@example.org", name="A")
    assert not Ownership.objects.using("users").get().following


def test_an_owner_follows_nobody(split):
    hand_over(split)
    with pytest.raises(NotFollowing), ownership.writing_as_follower("users", "users.user"):
        Moved.objects.using("users").create(email="a@example.org", name="A")
    assert not Moved.objects.using("users").exists()


def test_a_cascade_into_what_moved_away_is_refused_whole(unguarded):
    """`on_delete=CASCADE` doesn't cross the line: nothing is deleted, instead of half of it."""
    user = ada()
    Invoice.objects.using("monolith").create(user=user, period="2026-11", amount_minor=1, currency="EUR")
    invoices = move.split_of("billing")
    move.begin(invoices)
    hand_over(invoices)
    with pytest.raises(MovedAway, match=r"monolith\.invoice belongs to billing"), ownership.writing("monolith", "monolith.invoice"):
        user.delete(using="monolith")
    assert User.objects.using("monolith").filter(pk=user.pk).exists()
    assert not Ledger.objects.using("monolith").filter(deleted=True).exists()


def test_other_integrity_errors_stay_what_they_are(split):
    ada()
    with pytest.raises(IntegrityError), ownership.writing("monolith", LABEL):
        ada()


def test_a_migration_that_makes_the_table_anew_gets_its_guard_again(split):
    from django.apps import apps
    from django.db.models.signals import post_migrate

    user = ada()
    hand_over(split)
    guard = split.old.guard
    guard_sql.for_alias("monolith").remove(connections["monolith"], guard)
    post_migrate.send(apps.get_app_config("monolith"), app_config=apps.get_app_config("monolith"), using="monolith")
    with pytest.raises(MovedAway), ownership.writing("monolith", LABEL):
        user.save(using="monolith")


def test_a_browser_is_told_where_to_write(split, admin_client):
    """In the admin and everywhere else; during a hand-over, that it may try again."""
    answer = admin_client.post("/admin/users/user/add/", {"email": "new@example.org", "name": "New"})
    assert (answer.status_code, answer.content.decode()) == (409, "users.user belongs to monolith: write there.\n")
    hand_over(split)
    ownership.pause(split.new.guard, LONG)
    answer = admin_client.post("/admin/users/user/add/", {"email": "new@example.org", "name": "New"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    ownership.lift(split.new.guard)
    assert admin_client.post("/admin/users/user/add/", {"email": "new@example.org", "name": "New"}).status_code == 302


def test_the_first_page_does_not_blame_the_address(split, client):
    answer = client.post("/register/", {"email": "new@example.org", "name": "New"})
    assert (answer.status_code, answer.content.decode()) == (409, "users.user belongs to monolith: write there.\n")


def test_guards_that_an_earlier_release_installed_are_understood():
    """Triggers contain these words. `migrate` writes them again, but an upgrade's programs run before and during it."""
    assert (guard_sql.MARK, guard_sql.FOLLOWING, guard_sql.PREFIX) == (
        "messaging.ownership:",
        "messaging.following",
        "messaging_guard_",
    )
