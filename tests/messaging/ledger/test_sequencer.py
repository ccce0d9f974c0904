"""Invariant 3: a tailing reader misses nothing."""

import random
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import connections, transaction

from messaging.ledger import sequencer
from messaging.models import Ledger
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def positions():
    return sorted(Ledger.objects.using("users").filter(position__isnull=False).values_list("position", flat=True))


def test_positions_are_dense_in_batches_of_any_size():
    users = User.objects.using("users").bulk_create([User(email=f"s{n}@example.org", name="S") for n in range(25)])
    pending = Ledger.objects.using("users").filter(position__isnull=True).count()
    assert sequencer.stamp_pending("users", batch=4) == pending
    assert positions() == list(range(1, pending + 1))
    User.objects.using("users").filter(pk=users[3].pk).update(name="Again")
    assert sequencer.stamp_pending("users") == 1
    assert sequencer.head("users") == pending + 1
    assert Ledger.objects.using("users").get(aggregate_id=str(users[3].pk)).position == pending + 1


def test_stamping_inside_a_transaction_is_refused():
    with transaction.atomic(using="users"), pytest.raises(RuntimeError, match="must run outside a transaction"):
        sequencer.stamp_pending("users")


def tail(read, writers):
    """Run the writers and read meanwhile until no more arrives; returns (ids read in order, ids written)."""
    written, lock = [], threading.Lock()

    def write(number):
        chance = random.Random(number)
        try:
            for turn in range(12):
                with transaction.atomic(using="users"):
                    user = User.objects.using("users").create(email=f"w{number}-{turn}@example.org", name="W")
                    time.sleep(chance.uniform(0, 0.02))  # the naive reader fails because of the delay before the commit
                with lock:
                    written.append(str(user.pk))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    got = []
    while any(thread.is_alive() for thread in threads):
        got += read()
    for thread in threads:
        thread.join()
    while more := read():
        got += more
    return got, written


@contextmanager
def stamping(number):
    """Let others stamp too, as relays and web servers do."""
    stop = threading.Event()
    broken = []

    def stamp():
        try:
            while not stop.is_set():
                sequencer.stamp_pending("users", batch=7)
        except Exception as error:
            broken.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=stamp) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not broken


class ByPosition:
    def __init__(self):
        self.last: int | None = sequencer.head("users")

    def __call__(self):
        sequencer.stamp_pending("users")
        rows = Ledger.objects.using("users").filter(position__gt=self.last, deleted=False).order_by("position")[:50]
        found = list(rows.values_list("aggregate_id", "position"))
        if found:
            self.last = found[-1][1]
        return [key for key, _ in found]


class ById:
    """The reader that most people write first."""

    last = 0

    def __call__(self):
        rows = Ledger.objects.using("users").filter(id__gt=self.last, deleted=False).order_by("id")[:50]
        found = list(rows.values_list("aggregate_id", "id"))
        if found:
            self.last = found[-1][1]
        return [key for key, _ in found]


def test_a_reader_by_position_misses_nothing_and_sees_nothing_twice_beside_many_writers():
    sequencer.stamp_pending("users")  # left by an earlier test
    writers = 32 if connections["users"].vendor == "postgresql" else 4
    with stamping(2):
        got, written = tail(ByPosition(), writers)
    assert sorted(got) == sorted(written)


def test_a_reader_by_id_is_seen_to_miss_rows():
    if connections["users"].vendor != "postgresql":
        return  # SQLite has one writer at a time, so commits are in the order of their ids
    got, written = tail(ById(), 32)
    assert set(got) < set(written)


def test_a_locked_row_is_skipped_and_gets_its_position_later():
    if connections["users"].vendor != "postgresql":
        return  # SQLite has no row locks
    User.objects.using("users").bulk_create([User(email=f"h{n}@example.org", name="H") for n in range(3)])
    held = Ledger.objects.using("users").filter(position__isnull=True).earliest("id")
    done: list[object] = []

    def stamp():
        try:
            with connections["users"].cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            done.append(sequencer.stamp_pending("users"))
        except Exception as error:
            done.append(error)
        finally:
            connections["users"].close()

    with transaction.atomic(using="users"):
        Ledger.objects.using("users").select_for_update().get(pk=held.pk)
        beside = threading.Thread(target=stamp)
        beside.start()
        beside.join()
    assert done == [2]
    assert sequencer.stamp_pending("users") == 1
    assert positions() == [1, 2, 3]
    held.refresh_from_db(using="users")
    assert held.position == 3
