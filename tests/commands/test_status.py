"""`status`: the progress of every consumer, and the number of waiting events and messages."""

import uuid
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging.celery import app
from messaging.database.outbox_pattern import FAILED
from messaging.ledger import sequencer
from messaging.models import Consumer, Incident, Parked, Subscription
from messaging.transport import queues
from tests.commands.calling import call
from users.services import user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def billing_of(ended):
    (row,) = [row for row in ended.json["consumers"] if (row["consumer"], row["authority"]) == ("billing", "users")]
    return row


def outbox_of(ended, context):
    (row,) = [row for row in ended.json["outbox"] if row["context"] == context]
    return row


def test_a_new_consumer():
    ended = call("status", "--json")
    assert ended.code == 0
    row = billing_of(ended)
    assert (row["state"], row["checkpoint"], row["head"], row["lag"], row["parked"]) == ("new", 0, 0, 0, 0)
    assert (row["registered"], row["staleness_seconds"], row["drift"], row["incidents"]) == (False, None, None, 0)
    assert outbox_of(ended, "users") == {"context": "users", "pending": 0, "failed": 0, "oldest_seconds": None}


def test_lag_counts_changes_that_nothing_stamped_yet():
    call("consumers", "register", "billing", "--to", "users")
    user = user_register(email="a@example.org", name="Ann")
    sequencer.stamp_pending("users")
    user_register(email="b@example.org", name="Bob")
    user_suspend(user_id=user.pk, reason="test")
    Subscription.objects.using("billing").create(authority="users", state="live", checkpoint=1)
    row = billing_of(call("status", "--json"))
    assert (row["state"], row["registered"], row["checkpoint"], row["head"], row["lag"]) == ("live", True, 1, 3, 2)
    sequencer.stamp_pending("users")
    assert billing_of(call("status", "--json"))["head"] == 3


@pytest.mark.parametrize("state", Subscription.State.values)
def test_a_copys_state_is_the_subscriptions(state):
    Subscription.objects.using("billing").create(authority="users", state=state)
    assert billing_of(call("status", "--json"))["state"] == state


def test_staleness_counts_from_the_last_confirmation():
    Subscription.objects.using("billing").create(authority="users", confirmed_at=timezone.now() - timedelta(minutes=20))
    assert 1200 <= billing_of(call("status", "--json"))["staleness_seconds"] < 1260
    Subscription.objects.using("billing").update(confirmed_at=timezone.now() + timedelta(minutes=20))
    assert billing_of(call("status", "--json"))["staleness_seconds"] == 0


def test_a_remote_authoritys_head_is_the_last_one_received(settings):
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": ["billing"]}
    row = billing_of(call("status", "--json"))
    assert (row["state"], row["registered"], row["checkpoint"], row["head"], row["lag"]) == ("new", None, 0, None, None)
    Subscription.objects.using("billing").create(authority="users", state="unreachable", checkpoint=4, head=9)
    row = billing_of(call("status", "--json"))
    assert (row["state"], row["checkpoint"], row["head"], row["lag"]) == ("unreachable", 4, 9, 5)


def test_an_empty_feed_is_known_after_its_first_contact(settings):
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": ["billing"]}
    Subscription.objects.using("billing").create(authority="users", heartbeat_at=timezone.now())
    row = billing_of(call("status", "--json"))
    assert (row["head"], row["lag"]) == (0, 0)


def test_only_a_copy_lags_or_grows_old():
    now = timezone.now()
    Subscription.objects.using("billing").create(authority="monolith", checkpoint=1, head=9, confirmed_at=now, last_event_at=now)
    (row,) = [
        row for row in call("status", "--json").json["consumers"] if (row["consumer"], row["authority"]) == ("billing", "monolith")
    ]
    assert (row["state"], row["checkpoint"]) == ("live", 1)
    assert (row["lag"], row["staleness_seconds"], row["drift"]) == (None, None, None)


def test_drift_repairs_and_open_incidents():
    now = timezone.now()
    drift = {"missing": 2, "stale": 1, "corrupt": 0, "ghost": 0, "ahead": 0}
    Subscription.objects.using("billing").create(
        authority="users", drift=drift, compared_at=now, repaired_at=now - timedelta(hours=5)
    )
    for closed_at in (None, None, now):
        Incident.objects.using("billing").create(kind="silent", authority="users", closed_at=closed_at, summary="x")
    ended = call("status", "--json")
    row = billing_of(ended)
    assert (row["drift"], row["drift_by_kind"], row["incidents"]) == (3, drift, 2)
    assert row["last_repair_at"].startswith(f"{now - timedelta(hours=5):%Y-%m-%d}")
    shown = call("status").out
    assert "2 missing, 1 stale" in shown
    assert "5 h ago" in shown


def test_a_copy_that_was_compared_and_equal_has_no_drift():
    Subscription.objects.using("billing").create(authority="users", drift={"missing": 0, "stale": 0})
    assert billing_of(call("status", "--json"))["drift"] == 0
    assert "none" in call("status").out


def test_nothing_is_cut_off_at_80_columns(monkeypatch):
    monkeypatch.setattr("messaging.management.output.WIDTH_COLUMNS", 80)
    Subscription.objects.using("billing").create(
        authority="users", state="bootstrapping", checkpoint=123_456_789, head=123_456_789, drift={"missing": 10, "corrupt": 3}
    )
    shown = call("status").out
    assert "…" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80


def test_outbox():
    for name in "abc":
        user_register(email=f"{name}@example.org", name=name)
    failed = Published.objects.using("users").first()
    Published.objects.using("users").filter(pk=failed.pk).update(status=FAILED)
    row = outbox_of(call("status", "--json"), "users")
    assert (row["pending"], row["failed"]) == (2, 1)
    assert 0 <= row["oldest_seconds"] < 60


def test_parked_counts_what_is_not_settled():
    for state in Parked.State.values:
        Parked.objects.using("billing").create(state=state, event_type="users.user.created.v1", reason="x")
    Parked.objects.using("billing").create(reason="unreadable")
    assert billing_of(call("status", "--json"))["parked"] == 3


def test_a_consumer_in_another_process():
    words = ("--fields", "status", "--types", "users.user.created.v1")
    call("consumers", "register", "shipping", "--to", "users", *words)
    (row,) = [row for row in call("status", "--json").json["consumers"] if row["consumer"] == "shipping"]
    assert (row["state"], row["checkpoint"], row["lag"], row["parked"]) == ("elsewhere", None, None, None)


def test_an_authority_without_marks_is_reported():
    row = Subscription.objects.using("billing").create(authority="users")
    assert billing_of(call("status", "--json"))["marks"] is None  # it isn't known yet
    row.state = "live"
    row.save(using="billing")
    assert billing_of(call("status", "--json"))["marks"] is False
    assert "users sends no marks, so it runs an earlier release: a restore of its database may go unnoticed." in call("status").out
    row.marks = []
    row.save(using="billing")
    assert billing_of(call("status", "--json"))["marks"] is True
    assert "no marks" not in call("status").out


def test_a_remote_consumer_without_marks_is_reported():
    words = ("--fields", "status", "--types", "users.user.created.v1")
    call("consumers", "register", "shipping", "--to", "users", *words)
    entry = Consumer.objects.using("users").filter(name="shipping")
    assert "no marks" not in call("status").out  # it never reported
    entry.update(checkpoint=0)
    assert (
        "shipping shows no marks, so it runs an earlier release: a restore of its database may go unnoticed." in call("status").out
    )
    entry.update(marks=True)
    assert "no marks" not in call("status").out


def test_queues():
    with app.connection_for_write() as connection:
        queue = queues.queue("billing").bind(connection.default_channel)
        queue.declare()
        try:
            connection.Producer().publish({}, routing_key="billing")
            assert {"queue": "billing", "depth": 1} in call("status", "--json").json["queues"]
        finally:
            queue.purge()


def test_reading_queue_depths_makes_no_queues():
    with app.connection_for_write() as connection:
        there = connection.default_channel.queues  # of kombu's transport in memory: all of them, by name
        there.clear()
        told = call("status", "--json").json["queues"]
        assert told == [{"queue": "users", "depth": 0}, {"queue": "billing", "depth": 0}]  # the monolith has none
        assert not there


def test_for_a_person():
    user_register(email="a@example.org", name="Ann")
    ended = call("status")
    assert ended.code == 0
    assert all(word in ended.out for word in ("Consumers", "Outbox", "Queues", "checkpoint", "billing"))


def test_no_broker_is_a_sentence(settings):
    settings.MESSAGING = {**settings.MESSAGING, "BROKER_URL": "redis://127.0.0.1:1/0"}
    ended = call("status", "--json")
    assert ended.code == 1
    assert "The broker doesn't answer, so no events are delivered. Unsent events wait in the outbox." in ended.err
    assert ended.json["queues"][0]["depth"] is None


def test_no_database_is_a_sentence(monkeypatch):
    table = f"gone_{uuid.uuid4().hex}"
    monkeypatch.setattr(Subscription._meta, "db_table", table)
    ended = call("status", "--json")
    assert ended.code == 1
    assert ended.err.startswith("The database of users can't be read")
    assert ended.err.endswith("Start it, or create its tables: manage.py migrate --database users")
    assert not connections["users"].in_atomic_block


def test_texts_in_the_registers_do_not_control_a_terminal():
    steering = "\x1b[2J[bold]x"
    Consumer.objects.using("users").create(
        name=steering, queue="q", types=[steering], fields=[steering], staleness_seconds=1, bootstrap_open=False
    )
    Subscription.objects.using("billing").create(authority="users", doubt=steering)
    Incident.objects.using("billing").create(kind="restored", authority="users", count=1, subjects=[], summary=steering)
    for line in (["status"], ["consumers", "list"]):
        ended = call(*line)
        assert "\x1b" not in ended.out + ended.err
        assert "[bold]x" in ended.out


def test_retries_that_nobody_makes_are_named():
    for minutes, reason in ((-5, "late"), (-5, "late too"), (5, "not due yet")):
        Parked.objects.using("billing").create(
            context="billing", reason=reason, state="retrying", next_attempt_at=timezone.now() + timedelta(minutes=minutes)
        )
    assert call("status", "--json").json["overdue"] == [{"context": "billing", "retries": 2}]
    assert "2 retries of failed events are late in billing. Are these running? manage.py scheduler, manage.py worker billing" in (
        call("status").out
    )
    Parked.objects.using("billing").update(state="applied")
    assert call("status", "--json").json["overdue"] == []
