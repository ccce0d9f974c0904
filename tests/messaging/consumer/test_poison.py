"""Messages that a database can't store, or that would harm it, are parked, and other events of the message are applied."""

import json
import uuid
from decimal import Decimal

import pytest
from celery.exceptions import Reject
from django.db import connections
from pydantic_core import to_json

from billing.models import CachedUser
from messaging import tasks
from messaging.consumer import handlers, inbox, retries
from messaging.consumer import parked as parked_events
from messaging.consumer.outcome import Outcome
from messaging.events import limits
from messaging.models import Parked, Subscription
from messaging.publisher import payloads
from messaging.settings import Alias
from messaging.transport import signing
from messaging.transport.queues import DELIVER, HEARTBEAT
from tests.messaging.consumer.test_inbox import START, envelope, poisoned  # noqa: F401
from tests.messaging.travelling import travelled
from tests.read_only import read_only
from tests.signing import needs_signing

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def deep(levels):
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def receive_between_good_ones(bad):
    """Receive the bad event as the third of five; the good ones must be applied."""
    users = [uuid.uuid4() for _ in range(4)]
    batch = [envelope(user, 1) for user in users]
    batch.insert(2, bad)
    assert inbox.receive("billing", batch) == Outcome(applied=4, parked=1)
    assert CachedUser.objects.using("billing").filter(pk__in=users).count() == 4
    return Parked.objects.using("billing").get()


POISON = {
    "a NUL character": "a\x00b",
    "NaN": float("nan"),
    "infinity": float("inf"),
    "a lone surrogate": "\udc80",
    "a lone surrogate as a name": {"\udc80": 1},
    "a NUL character as a name": {"\x00": 1},
    "what kombu makes of a type's mark": Decimal("1.5"),
    "510 levels": deep(510),
    "5000 levels": deep(5000),
}


@pytest.mark.parametrize("value", POISON.values(), ids=POISON)
def test_what_no_database_takes_is_parked_alone(value):
    receive_between_good_ones({"junk": value})
    assert inbox.receive("billing", [{"junk": value}]) == Outcome(duplicate=1)


@pytest.mark.parametrize("value", POISON.values(), ids=POISON)
def test_an_event_whose_handler_fails_is_kept_whatever_is_in_it(value, poisoned):  # noqa: F811
    parked = receive_between_good_ones(envelope(poisoned, 1, junk=value))
    assert parked.subject in ("", str(poisoned))


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "correlationid", "causationid", "dataschema"])
@pytest.mark.parametrize("value", ["a\x00b", "a\udc80b"], ids=["NUL", "surrogate"])
def test_an_attribute_that_can_not_be_stored_is_parked(name, value):
    parked = receive_between_good_ones(envelope(uuid.uuid4(), 1, **{name: value}))
    assert parked.envelope is None
    assert json.loads(parked.raw)[name] == value
    assert name in parked.reason


def test_an_event_that_is_kept_as_text_is_retried(poisoned, monkeypatch):  # noqa: F811
    parked = receive_between_good_ones(envelope(poisoned, 1, junk="a\x00b\udc80"))
    assert (parked.state, parked.envelope, parked.event_type) == ("retrying", None, "users.user.reactivated.v1")
    monkeypatch.undo()
    again = retries.attempt("billing", parked.pk)
    assert again is not None
    assert again.state == "applied"
    assert CachedUser.objects.using("billing").filter(pk=poisoned).exists()


def test_bytes_with_a_nul_character_are_kept():
    parked_events.park_unreadable(Alias("billing"), b"\x00\xff {", "It is\x00 broken.\nAnd more.")
    parked = Parked.objects.using("billing").get()
    assert (parked.raw, parked.reason) == ("\\u0000\\xff {", "It is\\u0000 broken. And more.")


def test_an_event_of_the_largest_size_that_a_relay_sends_is_applied_and_one_byte_more_is_parked():
    event = {**envelope(uuid.uuid4(), 1), "junk": ""}
    room = limits.LARGEST_EVENT_BYTES + limits.ENVELOPE_BYTES - len(to_json(event))
    event["junk"] = "é" * (room // 2) + "x" * (room % 2)
    assert payloads.too_large(event) == ""
    assert inbox.receive("billing", [event]) == Outcome(applied=1)
    event["junk"] += "x"
    assert payloads.too_large(event).startswith("Too large: 69,633 bytes")
    assert receive_between_good_ones(event).reason == "Too large: 69,633 bytes, 69,632 are allowed."


OUTSIDE = ["9999-12-31T23:59:59-14:00", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0001-06-01T00:00:00Z"]


@pytest.mark.parametrize("time", OUTSIDE)
def test_a_time_that_could_not_be_read_again_is_parked(time):
    parked = receive_between_good_ones(envelope(uuid.uuid4(), 1, time=time))
    assert "time: Value error, not between the years 2 and 9998" in parked.reason


@pytest.mark.parametrize("time", OUTSIDE)
def test_so_is_one_in_the_data(time):
    parked = receive_between_good_ones(envelope(uuid.uuid4(), 1, data={"status": "active", "status_since": time}))
    assert "status_since: Value error, not between" in parked.reason


@pytest.mark.parametrize("name", ["aggregateversion", "position"])
def test_an_integer_that_no_database_holds_is_parked(name):
    parked = receive_between_good_ones(envelope(uuid.uuid4(), 1, **{name: 2**63}))
    assert f"{name}: Input should be less than or equal to 9223372036854775807" in parked.reason


def test_the_largest_version_and_times_far_away_are_applied():
    user = uuid.uuid4()
    data = {"status": "active", "status_since": "0002-01-01T00:00:00+00:00"}
    event = envelope(user, 1, aggregateversion=2**63 - 1, time="9998-12-31T23:00:00+00:00", data=data)
    assert inbox.receive("billing", [event]) == Outcome(applied=1)
    row = CachedUser.objects.using("billing").get(pk=user)
    assert (row.version, row.authority_time.year, row.status_since.year) == (2**63 - 1, 9998, 2)


@pytest.mark.parametrize("bad", [{"head": 2**63}, {"head": -1}, {"at": OUTSIDE[0]}, {"at": "2026-11-23T10:00:00"}])
def test_a_heartbeat_out_of_bounds_changes_nothing_and_one_is_kept(bad):
    values = {"consumer": "billing", "authority": "users", "head": 1, "at": START.isoformat(), **bad}
    for _ in range(2):
        tasks.heartbeat.run(**travelled(HEARTBEAT, **values))
    assert not Subscription.objects.using("billing").exists()
    assert Parked.objects.using("billing").get().reason.startswith(f"Not a valid heartbeat. {next(iter(bad))}: ")


UNREADABLE = {
    "no text": b"\xff",
    "no JSON": b"[[], {",
    "nested too deep": b"[" * 100_000,
    "another shape": b'{"args": [], "kwargs": {}}',
    "three names": b'{"args": 1, "kwargs": 2, "embed": 3}',
    "no names": b"[[], [], {}]",
    "no events": b'[[], {"consumer": "billing"}, {}]',
    "a text": b'[[], {"consumer": "billing", "events": "text"}, {}]',
    "a list for a name": b'[[], {"consumer": ["billing"], "events": []}, {}]',
    "for somebody else": b'[[], {"consumer": "nobody", "events": []}, {}]',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_signed_message_that_is_no_delivery_is_parked_once_as_it_came(body):
    tasks.deliver.run(context="billing", headers=signing.signed("users", DELIVER, body), body=body)
    parked = Parked.objects.using("billing").get()
    assert parked.state == "parked"
    assert (parked.raw or json.dumps(parked.envelope))[:20] == body.decode("utf-8", "backslashreplace")[:20]


@needs_signing
def test_nothing_is_read_before_its_signature_is_checked(monkeypatch):
    message = travelled(DELIVER, consumer="billing", events=[envelope(uuid.uuid4(), 1)])
    monkeypatch.setattr(json, "loads", lambda body: pytest.fail("it was read"))
    tasks.deliver.run(**{**message, "body": message["body"] + b" "})
    assert Parked.objects.using("billing").get().reason.startswith("bad signature: ")


def test_a_delivery_with_an_unforeseen_error_is_parked_and_logged(monkeypatch):
    message = travelled(DELIVER, consumer="billing", events=[envelope(uuid.uuid4(), 1)])
    monkeypatch.setattr(inbox, "receive", lambda *arguments, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.deliver.run(**message)
    assert Parked.objects.using("billing").get().reason == "The message can't be delivered: ZeroDivisionError: division by zero"


@needs_signing
def test_a_message_that_can_not_be_parked_goes_back(monkeypatch):
    monkeypatch.setattr(parked_events, "PAUSE_SECONDS", (0.0, 0.0))
    message = {"context": "billing", "headers": {}, "body": b"[]"}
    with read_only("billing"), pytest.raises(Reject) as rejected:
        tasks.deliver.run(**message)
    assert rejected.value.requeue
    tasks.deliver.run(**message)
    assert Parked.objects.using("billing").get().reason.startswith("unsigned: ")


@pytest.mark.parametrize("raw", [b"no json", '[[], {"events": [{}]}, {}]', None, 7, []])
def test_an_invalid_event_keeps_its_reason_when_it_is_retried(raw):
    parked = parked_events.park_unreadable(Alias("billing"), raw, "The message can't be read: decode error.")
    again = retries.attempt("billing", parked.pk, by="somebody")
    assert again is not None
    assert (again.state, again.reason, again.attempts) == ("parked", "The message can't be read: decode error.", 1)
    assert not parked_events.retriable(again)


def test_a_database_error_is_one_line_without_values(monkeypatch):
    def fails(events):
        with connections["billing"].cursor() as cursor:
            cursor.execute("INSERT INTO billing_cacheduser (status) VALUES ('ada@ex')\n, (NULL)")

    from billing.handlers import HANDLERS

    kind = "users.user.reactivated.v1"
    monkeypatch.setitem(HANDLERS, kind, handlers.Handler(reads=HANDLERS[kind].reads, apply=fails))
    inbox.receive("billing", [envelope(uuid.uuid4(), 1)])
    reason = Parked.objects.using("billing").get().reason
    assert reason.startswith("IntegrityError: ")
    assert "\n" not in reason
    assert "ada@ex" not in reason
