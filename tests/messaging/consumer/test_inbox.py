"""Invariants 4, 5 and 6: a cache only moves forward, erasure wins, effects happen once."""

import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connections
from django.db.backends.signals import connection_created
from django_outbox_pattern.models import Received
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import handlers as billing_handlers
from billing.models import CachedUser
from messaging.consumer import checkpoints, handlers, inbox, incoming, retries
from messaging.consumer.outcome import Outcome
from messaging.errors import DatabaseAway
from messaging.models import Parked, Subscription

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
START = datetime(2026, 11, 1, tzinfo=UTC)
KIND = {"active": "reactivated", "suspended": "suspended", "erased": "erased"}


def envelope(user_id, version, status="active", **changes):
    at = START + timedelta(minutes=version)
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid5(user_id, f"{version}")),
        "source": "users",
        "type": f"users.user.{KIND[status]}.v1",
        "subject": str(user_id),
        "time": at.isoformat(),
        "data": {"status": status, "status_since": at.isoformat()},
        "aggregateversion": version,
        "correlationid": "story",
        **changes,
    }


def cached(user_id):
    return CachedUser.objects.using("billing").get(pk=user_id)


def receive(*events):
    return inbox.receive("billing", list(events))


def test_a_first_event_fills_the_cache():
    user = uuid.uuid4()
    assert receive(envelope(user, 1)) == Outcome(applied=1)
    row = cached(user)
    assert (row.status, row.version, row.source, row.authority_time) == ("active", 1, "event", START + timedelta(minutes=1))


def test_a_redelivery_is_a_counted_no_op():
    event = envelope(uuid.uuid4(), 1)
    receive(event)
    assert receive(event, event) == Outcome(duplicate=2)
    row = Subscription.objects.using("billing").get(authority="users")
    assert (row.applied, row.duplicate) == (1, 2)


def test_a_key_fits_its_column_whatever_the_consumer_and_the_event_are_called():
    ids = [f"{number:064}" for number in range(3)]  # as long as an envelope allows
    keys = {incoming.key("c" * 50, each) for each in ids}
    Received.objects.using("billing").bulk_create(Received(msg_id=each) for each in keys)
    assert Received.objects.using("billing").count() == len(ids)
    assert max(map(len, keys)) <= Received._meta.get_field("msg_id").max_length
    assert incoming.key("billing", ids[0]) == f"billing:{ids[0]}"


def test_a_late_event_is_obsolete():
    user = uuid.uuid4()
    receive(envelope(user, 5, "suspended"))
    assert receive(envelope(user, 4)) == Outcome(obsolete=1)
    assert (cached(user).status, cached(user).version) == ("suspended", 5)


def test_erasure_wins_over_whatever_comes_later():
    user = uuid.uuid4()
    receive(envelope(user, 3, "erased"))
    receive(envelope(user, 2), envelope(user, 4, "active"))
    assert (cached(user).status, cached(user).version) == ("erased", 4)


def test_erasure_wins_over_what_comes_with_it():
    """A row that was written to after its erasure has a higher version, and both may be in one message."""
    user = uuid.uuid4()
    receive(envelope(user, 2), envelope(user, 3, "erased"), envelope(user, 4, "active"))
    assert (cached(user).status, cached(user).version) == ("erased", 4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 7), min_size=1, max_size=12))
def test_any_order_and_any_number_of_deliveries_ends_in_the_newest(seed, sizes):
    chance = random.Random(seed)
    users = [uuid.uuid4() for _ in range(3)]
    history = [envelope(user, version, chance.choice(["active", "suspended"])) for user in users for version in range(1, 6)]
    deliveries = history * 3
    chance.shuffle(deliveries)
    while deliveries:
        size = sizes[len(deliveries) % len(sizes)]
        receive(*deliveries[:size])
        del deliveries[:size]
    for user in users:
        newest = max((event for event in history if event["subject"] == str(user)), key=lambda event: event["aggregateversion"])
        assert (cached(user).version, cached(user).status) == (5, newest["data"]["status"])


def test_a_batch_costs_a_few_statements_not_one_per_event(django_assert_max_num_queries):
    receive(envelope(uuid.uuid4(), 1))
    batch = [envelope(uuid.uuid4(), 1) for _ in range(500)]
    with django_assert_max_num_queries(6, using="billing"):
        assert receive(*batch) == Outcome(applied=500)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "users.user.promoted.v1"}, "Unknown type or version"),
        ({"type": "users.user.suspended.v9"}, "Unknown type or version"),
        ({"data": {"status": "active"}}, "status_since: Field required"),
        ({"data": {"status": "gone", "status_since": START.isoformat()}}, "status: Input should be"),
        ({"data": {"status": "active", "status_since": START.isoformat(), "x": "y" * 70_000}}, "Too large"),
        ({"specversion": "0.3"}, "specversion"),
        ({"aggregateversion": 0}, "aggregateversion"),
        ({"id": ""}, "id: String should have"),
    ],
)
def test_an_invalid_event_is_parked_at_once_and_the_rest_goes_on(change, reason):
    user = uuid.uuid4()
    assert receive(envelope(uuid.uuid4(), 1, **change), envelope(user, 1)) == Outcome(applied=1, parked=1)
    parked = Parked.objects.using("billing").get()
    assert parked.state == Parked.State.PARKED
    assert reason in parked.reason
    assert cached(user).version == 1


@pytest.mark.parametrize("junk", [None, 7, "text", [], {}, {"id": {"a": 1}}])
def test_junk_is_parked_once_however_often_it_comes(junk):
    receive(junk)
    assert receive(junk) == Outcome(duplicate=1)
    assert Parked.objects.using("billing").count() == 1


def test_an_unreadable_message_with_a_real_id_does_not_block_the_real_event():
    user = uuid.uuid4()
    real = envelope(user, 1)
    receive({"id": real["id"], "forged": True})
    assert receive(real) == Outcome(applied=1)


class Poison(Exception):
    pass


@pytest.fixture
def poisoned(monkeypatch):
    """Let billing's handler fail for one user."""
    victim = uuid.uuid4()
    table = dict(billing_handlers.HANDLERS)
    real = billing_handlers.apply_user_changes

    def apply(events):
        if any(event.uuid == victim for event in events):
            raise Poison("this user can't be handled")
        return real(events)

    for name, handler in table.items():
        monkeypatch.setitem(billing_handlers.HANDLERS, name, handlers.Handler(reads=handler.reads, apply=apply))
    return victim


def test_a_poison_event_is_kept_with_its_traceback_and_the_batch_goes_on(poisoned):
    others = [uuid.uuid4() for _ in range(20)]
    batch = [envelope(user, 1) for user in others]
    batch.insert(7, envelope(poisoned, 1))
    assert receive(*batch) == Outcome(applied=20, parked=1)
    parked = Parked.objects.using("billing").get()
    assert (parked.state, parked.attempts, parked.subject) == ("retrying", 1, str(poisoned))
    assert "Poison: this user can't be handled" in parked.traceback
    assert CachedUser.objects.using("billing").filter(pk__in=others).count() == 20


def test_a_poison_event_is_retried_with_growing_delays_then_parked_then_applied_after_the_fix(poisoned, monkeypatch):
    receive(envelope(poisoned, 1))
    parked = Parked.objects.using("billing").get()
    waits = []
    while due := parked.next_attempt_at:
        waits.append((due - datetime.now(UTC)).total_seconds())
        assert retries.due("billing", due) == [parked.pk]
        retries.attempt("billing", parked.pk)
        parked.refresh_from_db(using="billing")
    assert (parked.state, parked.attempts) == ("parked", 4)
    assert len(waits) == 3
    assert waits[2] > waits[0]
    assert state_after_a_persons_try(parked.pk) == "parked"
    monkeypatch.undo()
    assert state_after_a_persons_try(parked.pk) == "applied"
    assert cached(poisoned).version == 1
    assert retries.attempt("billing", parked.pk) is None


def state_after_a_persons_try(parked_id):
    row = retries.attempt("billing", parked_id, by="somebody")
    assert row is not None
    return row.state


def test_a_passing_database_error_is_tried_again(monkeypatch):
    real, failures = checkpoints.advance, [OperationalError("deadlock detected"), OperationalError("deadlock detected")]

    def flaky(*arguments):
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(checkpoints, "advance", flaky)
    user = uuid.uuid4()
    assert receive(envelope(user, 1)) == Outcome(applied=1)
    assert Received.objects.using("billing").count() == 1


def test_without_its_database_nothing_is_taken(monkeypatch):
    def away(*arguments, **names):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(inbox, "insert_new", away)
    monkeypatch.setattr(inbox, "_answers", lambda using: False)
    with pytest.raises(DatabaseAway):
        receive(envelope(uuid.uuid4(), 1))


@pytest.mark.skipif(connections["billing"].vendor != "sqlite", reason="PostgreSQL's disk can't be filled from here")
def test_on_a_full_disk_nothing_is_parked_and_the_message_comes_again():
    def fill(connection, **kwargs):
        """Let the file not grow: SQLite answers as on a full disk. Each connection needs it, and the inbox opens new ones."""
        if connection.alias == "billing":
            connection.cursor().execute("PRAGMA max_page_count = 1")

    message = [envelope(uuid.uuid4(), 1) for _ in range(200)]
    with connections["billing"].cursor() as cursor:
        cursor.execute("VACUUM")  # no space left by earlier tests
    connection_created.connect(fill)
    connections["billing"].close()
    try:
        with pytest.raises(DatabaseAway):
            receive(*message)
    finally:
        connection_created.disconnect(fill)
        connections["billing"].close()
    outcome = receive(*message)
    assert (outcome.applied + outcome.duplicate, CachedUser.objects.using("billing").count()) == (200, 200)
    assert not Parked.objects.using("billing").exists()


def test_the_checkpoint_moves_over_what_is_contiguous():
    receive(*(envelope(uuid.uuid4(), 1, position=position) for position in (1, 2, 5)))
    row = Subscription.objects.using("billing").get(authority="users")
    assert (row.checkpoint, row.ahead) == (2, [[5, 5]])
    receive(*(envelope(uuid.uuid4(), 1, position=position) for position in (4, 3)))
    row.refresh_from_db(using="billing")
    assert (row.checkpoint, row.ahead) == (5, [])


def test_the_checkpoint_stays_before_an_event_that_is_parked_however_often_it_comes(poisoned):
    good, bad = {**envelope(uuid.uuid4(), 1), "position": 1}, {**envelope(poisoned, 1), "position": 2}
    late = {**envelope(uuid.uuid4(), 1), "position": 3}
    for _ in range(2):
        receive(good, bad, late)
    row = Subscription.objects.using("billing").get(authority="users")
    assert (row.checkpoint, row.ahead) == (1, [[3, 3]])
    assert row.behind_since is not None
