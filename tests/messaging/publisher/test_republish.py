"""Republish records exactly the changes without an event, each once, with the present state."""

import threading
import uuid

import pytest
from django.db import connections, transaction

from messaging import failpoints
from messaging.errors import NoFeed
from messaging.ledger import ledger
from messaging.models import Ledger
from messaging.publisher.republish import missing, republish
from messaging.testing import recorded
from tests.probes import wait_for
from users.models import User
from users.services import user_erase, user_register, user_suspend, users_announce_created

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def registered(number=0):
    return user_register(email=f"u{number}-{uuid.uuid4().hex[:6]}@example.org", name=f"User {number}")


def rows(user):
    return User.objects.using("users").filter(pk=user.pk)


def raw(statement, *parameters):
    with connections["users"].cursor() as cursor:
        cursor.execute(statement, parameters)


def stored(user):
    """Return the id as this engine stores it."""
    return User._meta.pk.get_db_prep_value(user.pk, connections["users"])


def repaired():
    return {body["subject"]: body for body in recorded("users") if body.get("repair")}


def test_it_finds_exactly_the_changed_set_whatever_way_each_was_written():
    users = [registered(number) for number in range(30)]
    baselined = User.objects.using("users").bulk_create([User(email=f"b{n}@example.org", name="B") for n in range(5)])
    with transaction.atomic(using="users"):
        ledger.baseline("users", "users.user", [str(user.pk) for user in baselined])

    rows(users[0]).update(status="suspended", suspension_reason="by hand")
    raw("UPDATE users_user SET name = 'By SQL' WHERE id = %s", stored(users[1]))
    rows(users[2]).delete()
    raw("DELETE FROM users_user WHERE id = %s", stored(users[3]))
    saved = rows(users[4]).get()
    saved.name = "Saved"
    saved.save(using="users")
    created = User.objects.using("users").bulk_create([User(email=f"n{n}@example.org", name="N") for n in range(3)])
    rows(users[5]).update(status="erased", email="", name="")
    rows(users[6]).update(name="Changed")
    user_suspend(user_id=users[6].pk, reason="and announced after all")
    with transaction.atomic(using="users"):
        announced = User.objects.using("users").create(email="with@example.org", name="With")
        users_announce_created([announced])

    expected = {str(user.pk) for user in [*users[:6], *created]}
    assert set(missing("users")) == expected
    before = len(recorded("users"))
    done = republish("users")
    assert (set(done.ids), done.count, done.refused) == (expected, len(expected), {})
    assert len(recorded("users")) == before + len(expected)
    repairs = repaired()
    assert set(repairs) == expected
    kinds = {str(user.pk): "reactivated" for user in users[:6]}  # active, and known before
    kinds |= {str(users[0].pk): "suspended", **{str(users[number].pk): "erased" for number in (2, 3, 5)}}
    kinds |= {str(user.pk): "created" for user in created}
    assert {subject: body["type"] for subject, body in repairs.items()} == {
        subject: f"users.user.{kind}.v1" for subject, kind in kinds.items()
    }
    assert repairs[str(users[1].pk)]["data"]["name"] == "By SQL"
    versions = dict(Ledger.objects.using("users").filter(aggregate_id__in=expected).values_list("aggregate_id", "version"))
    assert {subject: body["aggregateversion"] for subject, body in repairs.items()} == versions


def test_twice_gives_nothing():
    user = registered()
    rows(user).update(name="Changed")
    assert republish("users").count == 1
    before = len(recorded("users"))
    assert list(missing("users")) == []
    assert republish("users").ids == []
    assert len(recorded("users")) == before


def test_an_erased_users_event_is_the_erasure_even_where_somebody_wrote_to_the_tombstone():
    gone, haunted = registered(1), registered(2)
    for user in (gone, haunted):
        user_erase(user_id=user.pk)
    rows(gone).update(updated_at=gone.created_at)
    rows(haunted).update(status="active", email="back@example.org", name="Back Again")
    assert republish("users").count == 2
    for body in repaired().values():
        assert body["type"] == "users.user.erased.v1"
        assert (body["data"]["status"], body["data"]["email"], body["data"]["name"]) == ("erased", "", "")


def test_the_events_are_one_story_and_tell_when_the_change_was():
    users = [registered(number) for number in range(3)]
    User.objects.using("users").update(name="Same")
    changed = {row.aggregate_id: row.changed_at for row in Ledger.objects.using("users").all()}
    republish("users")
    bodies = repaired().values()
    assert len({body["correlationid"] for body in bodies}) == 1
    assert {body["subject"]: body["time"] for body in bodies} == {str(u.pk): changed[str(u.pk)].isoformat() for u in users}


def test_it_goes_on_in_batches(monkeypatch):
    monkeypatch.setattr("messaging.publisher.republish.BATCH_ROWS", 4)
    User.objects.using("users").bulk_create([User(email=f"n{n}@example.org", name="N") for n in range(11)])
    sizes: list[int] = []
    assert republish("users", progress=sizes.append).count == 11
    assert [size for size in sizes if size] == [4, 4, 3]


def test_an_interrupted_republish_resumes(monkeypatch):
    monkeypatch.setattr("messaging.publisher.republish.BATCH_ROWS", 4)
    User.objects.using("users").bulk_create([User(email=f"n{n}@example.org", name="N") for n in range(11)])
    locked = []

    class Killed(Exception):
        pass

    def kill(step):
        if step == "republish.locked":
            locked.append(step)
            if len(locked) == 2:
                raise Killed

    monkeypatch.setattr(failpoints, "listeners", [kill])
    with pytest.raises(Killed):
        republish("users")
    assert len(recorded("users")) == 4
    assert republish("users").count == 7
    assert len(recorded("users")) == len(repaired()) == 11


def test_one_row_that_makes_no_event_holds_nobody_up():
    users = [registered(number) for number in range(5)]
    User.objects.using("users").update(name="Same")
    rows(users[2]).update(status="banned")
    done = republish("users")
    assert set(done.ids) == {str(user.pk) for user in users if user is not users[2]}
    assert done.refused == {str(users[2].pk): "status: not allowed by the event's contract"}
    assert list(missing("users")) == [str(users[2].pk)]


def test_an_event_that_is_too_large_holds_nobody_up(monkeypatch):
    users = [registered(number) for number in range(3)]
    User.objects.using("users").update(name="Same")
    rows(users[0]).update(name="x" * 200)
    monkeypatch.setattr("messaging.publisher.outbox.LARGEST_EVENT_BYTES", 350)
    done = republish("users")
    assert done.count == 2
    assert "bytes" in done.refused[str(users[0].pk)]


def test_a_context_that_shows_nothing_has_nothing_to_publish(settings):
    settings.MESSAGING = {**settings.MESSAGING, "FEEDS": {"billing": None}}
    with pytest.raises(NoFeed, match="billing"):
        list(missing("billing"))
    with pytest.raises(NoFeed, match="billing"):
        republish("billing")


def test_a_row_locked_by_a_writer_is_awaited_and_sent_as_committed():
    if connections["users"].vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time.")
    held, free = registered(1), registered(2)
    User.objects.using("users").update(name="Changed")
    locked, release = threading.Event(), threading.Event()

    def write():
        try:
            with transaction.atomic(using="users"):
                rows(held).update(name="The last word")
                locked.set()
                release.wait(60)
        finally:
            connections["users"].close()

    done = []

    def run():
        try:
            done.append(republish("users"))
        finally:
            connections["users"].close()

    threads = [threading.Thread(target=write), threading.Thread(target=run)]
    threads[0].start()
    assert locked.wait(60)
    threads[1].start()
    try:
        wait_for(lambda: str(free.pk) in repaired(), timeout=60, what="the free row's event", seen=lambda: list(repaired()))
        assert str(held.pk) not in repaired()
    finally:
        release.set()
        for thread in threads:
            thread.join(60)
    assert done[0].count == 2
    assert repaired()[str(held.pk)]["data"]["name"] == "The last word"


def test_two_at_once_record_each_change_once():
    User.objects.using("users").bulk_create([User(email=f"n{n}@example.org", name="N") for n in range(200)])
    done, start = [], threading.Barrier(2)

    def run():
        try:
            start.wait(60)
            done.append(republish("users"))
        finally:
            connections["users"].close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sum(one.count for one in done) == 200
    assert len(recorded("users")) == 200


def test_the_query_reads_only_what_is_missing():
    """The partial index has only the unannounced entries, so the query doesn't grow with the table."""
    users = [registered(number) for number in range(50)]
    rows(users[0]).update(name="Changed")
    using = connections["users"]
    query = ledger.unannounced("users", "users.user").filter(id__gt=0).order_by("id")[:1000]
    with using.cursor() as cursor, transaction.atomic(using="users"):
        if using.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        sql, parameters = query.query.get_compiler("users").as_sql()
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if using.vendor == 'sqlite' else ''}{sql}", parameters)
        assert "messaging_ledger_unannounced" in str(cursor.fetchall())
