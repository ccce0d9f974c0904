"""The relay sends one copy per consumer with its own fields, at least once, and one bad row doesn't block others."""

import json
import threading
import uuid

import pytest
from django.db import DataError, connections
from django_outbox_pattern.models import Published
from kombu.exceptions import OperationalError as BrokerError

from messaging import failpoints
from messaging import settings as messaging_settings
from messaging.celery import app
from messaging.database import wakeup
from messaging.database.outbox_pattern import FAILED, WAITING
from messaging.models import Consumer
from messaging.publisher.relay import Relay
from messaging.transport.queues import queue
from tests.probes import wait_for
from users.services import user_erase, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def inboxes():
    """Register two consumers with different fields; returns a reader of a queue on the in-process broker."""
    created = ["users.user.created.v1"]
    Consumer.objects.using("users").create(name="mail", queue="mail", types=created, fields=["email"])
    Consumer.objects.using("users").create(
        name="billing", queue="billing", types=[*created, "users.user.suspended.v1"], fields=["status"]
    )

    def read(name):
        messages = []
        with app.connection_for_read() as connection, connection.channel() as channel:
            bound = queue(name).bind(channel)
            bound.declare()
            while (message := bound.get(no_ack=True)) is not None:
                messages.append(json.loads(message.body)[1])
        return messages

    for name in ("mail", "billing"):
        read(name)
    yield read
    for name in ("mail", "billing"):
        read(name)  # the in-process broker outlives the test


def waiting():
    return Published.objects.using("users").filter(status=WAITING).count()


def test_each_consumer_gets_one_copy_with_only_its_types_and_fields(relay, inboxes):
    user = user_register(email="ada@example.org", name="Ada")
    user_suspend(user_id=user.pk, reason="secret reason")
    done = relay.run_once()
    assert (done.sent, done.messages, waiting()) == (2, 2, 0)
    (mail,) = inboxes("mail")
    assert [event["data"] for event in mail["events"]] == [{"email": "ada@example.org"}]
    (billing,) = inboxes("billing")
    assert [event["data"] for event in billing["events"]] == [{"status": "active"}, {"status": "suspended"}]
    assert "secret reason" not in json.dumps(billing)


def test_a_copy_carries_its_position_only_where_it_is_the_latest_change(relay, inboxes):
    user = user_register(email="ada@example.org", name="Ada")
    user_suspend(user_id=user.pk, reason="x")
    relay.run_once()
    (billing,) = inboxes("billing")
    first, second = sorted(billing["events"], key=lambda event: event["aggregateversion"])
    assert "position" not in first
    assert second["position"] >= 1


def test_an_event_that_is_recorded_while_the_relay_connects_has_its_position(relay, inboxes, monkeypatch):
    """Without it, the copy would have a gap until the sync process pulls the change."""
    connect = relay.sender.connect

    def slowly():
        monkeypatch.setattr(relay.sender, "connect", connect)
        connect()
        user_register(email="ada@example.org", name="Ada")

    monkeypatch.setattr(relay.sender, "connect", slowly)
    assert relay.run_once().sent == 1
    assert [event["position"] for event in inboxes("mail")[0]["events"]] == [1]


def test_one_bad_row_is_marked_with_its_error_and_the_others_are_sent(relay, inboxes):
    user_register(email="ada@example.org", name="Ada")
    bad = Published.objects.using("users").create(
        destination="users.user.created.v1", body={"type": "users.user.created.v1"}, id=uuid.uuid4(), status=WAITING
    )
    done = relay.run_once()
    assert (done.sent, done.failed) == (1, 1)
    bad.refresh_from_db(using="users")
    assert bad.status == FAILED
    assert "Not a valid envelope" in bad.headers["error"]
    assert len(inboxes("mail")) == 1


def _deep(levels):
    return "[" * levels + "]" * levels


#: Values that JSON columns accept and that aren't events.
BY_HAND = {
    "a text": '"hello"',
    "an event in a text": json.dumps(json.dumps({"subject": "x"})),
    "a number": "5",
    "null": "null",
    "a list": "[{}]",
    "no data": '{"subject": 5, "type": [], "aggregateversion": {}, "data": null}',
    "nested 300 deep": f'{{"data": {_deep(300)}}}',
    "nested 999 deep": _deep(999),
    "a number of 5,000 digits": f'{{"data": {"9" * 5000}}}',
}


def _write_by_hand(body):
    row = uuid.uuid4()
    Published.objects.using("users").create(id=row, destination="users.user.created.v1", body={}, status=WAITING)
    with connections["users"].cursor() as cursor:
        stored = row if connections["users"].vendor == "postgresql" else row.hex
        cursor.execute("UPDATE published SET body = %s WHERE id = %s", [body, stored])
    return row


@pytest.mark.parametrize("body", BY_HAND.values(), ids=BY_HAND.keys())
def test_a_row_that_was_written_by_hand_holds_nobody_up(relay, inboxes, body):
    first = user_register(email="ada@example.org", name="Ada")
    row = _write_by_hand(body)
    user_register(email="bob@example.org", name="Bob")
    done = relay.run_once()
    assert (done.sent, done.failed) == (2, 1)
    refused = Published.objects.using("users").defer("body").get(pk=row)
    assert refused.status == FAILED
    assert refused.headers["error"].startswith(("Not a valid envelope", "Not JSON that can be sent"))
    (message,) = inboxes("mail")
    assert [event["position"] for event in message["events"]] == [1, 2]
    user_erase(user_id=first.pk)


def test_a_lone_surrogate_holds_nobody_up(relay, inboxes):
    if connections["users"].vendor == "postgresql":
        with pytest.raises(DataError):
            _write_by_hand('{"data": "\\ud800"}')
        return
    user_register(email="ada@example.org", name="Ada")
    row = _write_by_hand('{"data": "\\ud800"}')
    assert relay.run_once().failed == 1
    assert "Not JSON that can be sent" in Published.objects.using("users").get(pk=row).headers["error"]
    assert len(inboxes("mail")) == 1


def test_an_event_too_large_for_any_consumer_is_refused_and_a_long_spelling_is_not(relay, inboxes):
    """No broker has to carry what every worker parks. SQLite stores a letter in up to twelve bytes."""
    user_register(email="ada@example.org", name="Ada")
    waiting_row = Published.objects.using("users").get()
    waiting_row.body["data"]["name"] = "\U0001f600" * 12_000
    waiting_row.save(using="users", update_fields=["body"])
    assert relay.run_once().sent == 1
    large = {**waiting_row.body, "id": "large", "more": "x" * 70_000}
    row = _write_by_hand(json.dumps(large))
    assert relay.run_once().failed == 1
    assert "Too large" in Published.objects.using("users").get(pk=row).headers["error"]


def test_an_erasure_passes_over_rows_that_were_written_by_hand(relay, inboxes):
    user = user_register(email="ada@example.org", name="Ada")
    for data in ("null", "[]", '"Ada"'):
        _write_by_hand(f'{{"subject": "{user.pk}", "data": {data}}}')
    _write_by_hand(f'{{"subject": "{user.pk}"}}')
    user_erase(user_id=user.pk)
    assert relay.run_once().failed == 4


def test_what_the_broker_did_not_take_stays_in_the_outbox(relay, inboxes, monkeypatch):
    user_register(email="ada@example.org", name="Ada")

    def refuse(*arguments):
        raise BrokerError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(relay.sender, "send", refuse)
        with pytest.raises(BrokerError):
            relay.run_once()
    assert waiting() == 1
    assert relay.run_once().sent == 1


def while_sending(monkeypatch, work):
    """Do something once, in a thread of its own, when the relay has sent the first message and not the second."""
    done: list[threading.Thread] = []

    def sent(step):
        if step == "relay.sent" and not done:
            done.append(threading.Thread(target=in_a_thread, args=(work,), daemon=True))
            done[0].start()
            done[0].join(timeout=10)
            assert not done[0].is_alive(), "It waits until the relay has sent everything."

    monkeypatch.setattr(failpoints, "listeners", [sent])
    return done


def in_a_thread(work):
    try:
        work()
    finally:
        connections["users"].close()


def test_a_sign_up_does_not_wait_for_the_broker(relay, inboxes, monkeypatch):
    """SQLite has one writer at a time, and a broker may take its time."""
    user_register(email="ada@example.org", name="Ada")
    done = while_sending(monkeypatch, lambda: user_register(email="bob@example.org", name="Bob"))
    assert relay.run_once().sent == 1
    assert done
    assert waiting() == 1
    assert relay.run_once().sent == 1
    assert [len(body["events"]) for body in inboxes("mail")] == [1, 1]


def test_two_relays_of_a_context_do_not_send_the_same_event(relay, inboxes, monkeypatch):
    found = []
    second = Relay("users", app)
    user_register(email="ada@example.org", name="Ada")
    while_sending(monkeypatch, lambda: found.append(second.run_once().sent))
    assert relay.run_once().sent == 1
    second.sender.close()
    assert found == [0]
    assert len(inboxes("mail")) == 1


def test_a_batch_too_long_for_one_message_becomes_several(relay, inboxes, monkeypatch):
    monkeypatch.setattr("messaging.publisher.relay.LARGEST_MESSAGE_BYTES", 1500)
    for number in range(10):
        user_register(email=f"u{number}@example.org", name="U")
    assert relay.run_once().sent == 10
    messages = inboxes("billing")
    assert len(messages) > 2
    assert sum(len(message["events"]) for message in messages) == 10


def test_a_running_relay_is_woken_by_a_commit_and_survives_a_broker_that_is_away(inboxes, monkeypatch, settings, tmp_path):
    settings.MESSAGING = {**settings.MESSAGING, "WAKE_FOLDER": tmp_path}
    assert messaging_settings.wake_folder() == tmp_path
    monkeypatch.setattr(wakeup, "POLL_SECONDS", 3600)  # only a wake-up ends a wait
    monkeypatch.setattr("messaging.publisher.relay.FIRST_PAUSE_SECONDS", 0.01)
    relay = Relay("users", app)
    real, refusals = relay.sender.send, [BrokerError("away"), BrokerError("away")]

    def flaky(*arguments):
        if refusals:
            raise refusals.pop()
        real(*arguments)

    monkeypatch.setattr(relay.sender, "send", flaky)
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        for number in range(3):
            user_register(email=f"u{number}@example.org", name="U")
            wait_for(lambda: waiting() == 0, timeout=30, what="the relay to send what was committed", seen=waiting)
    finally:
        relay.stop.set()
        user_register(email="last@example.org", name="wakes it to stop")
        thread.join(timeout=30)
    assert not thread.is_alive()
    assert refusals == []
