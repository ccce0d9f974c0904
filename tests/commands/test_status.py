"""`status`: how far every consumer is, and what waits."""

import uuid

import pytest
from celery import current_app
from django.db import connections
from django.utils import timezone
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.models import Published

from messaging import queues, sequencer
from messaging.models import Parked, Subscription
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
    assert (row["registered"], row["staleness_seconds"], row["drift"]) == (False, None, None)
    assert outbox_of(ended, "users") == {"context": "users", "pending": 0, "failed": 0, "oldest_seconds": None}


def test_lag_counts_changes_that_nothing_stamped_yet():
    call("consumers", "register", "billing", "--to", "users")
    user = user_register(email="a@example.org", name="Ann")
    sequencer.stamp_pending("users")
    user_register(email="b@example.org", name="Bob")
    user_suspend(user_id=user.pk, reason="test")
    Subscription.objects.using("billing").create(authority="users", checkpoint=1, last_event_at=timezone.now())
    row = billing_of(call("status", "--json"))
    assert (row["state"], row["registered"], row["checkpoint"], row["head"], row["lag"]) == ("live", True, 1, 3, 2)
    sequencer.stamp_pending("users")
    assert billing_of(call("status", "--json"))["head"] == 3


def test_outbox():
    for name in "abc":
        user_register(email=f"{name}@example.org", name=name)
    failed = Published.objects.using("users").first()
    Published.objects.using("users").filter(pk=failed.pk).update(status=StatusChoice.FAILED)
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


def test_queues():
    with current_app.connection_for_write() as connection:
        queue = queues.queue("billing").bind(connection.default_channel)
        queue.declare()
        try:
            connection.Producer().publish({}, routing_key="billing")
            assert {"queue": "billing", "depth": 1} in call("status", "--json").json["queues"]
        finally:
            queue.purge()


def test_for_a_person():
    user_register(email="a@example.org", name="Ann")
    ended = call("status")
    assert ended.code == 0
    assert all(word in ended.out for word in ("Consumers", "Outbox", "Queues", "checkpoint", "billing"))


def test_no_broker_is_a_sentence(monkeypatch):
    monkeypatch.setattr(current_app.conf, "broker_read_url", "redis://127.0.0.1:1/0")
    ended = call("status", "--json")
    assert ended.code == 1
    assert "The broker doesn't answer" in ended.err
    assert ended.json["queues"][0]["depth"] is None


def test_no_database_is_a_sentence(monkeypatch):
    table = f"gone_{uuid.uuid4().hex}"
    monkeypatch.setattr(Subscription._meta, "db_table", table)
    ended = call("status", "--json")
    assert ended.code == 1
    assert ended.err.startswith("The database of users can't be read")
    assert ended.err.endswith("Is it running, and migrated?")
    assert not connections["users"].in_atomic_block
