"""A message that its publisher signed is taken, once. All others are refused, kept, and do nothing."""

import base64
import json
import os
import stat
import threading
import uuid

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

from billing.caches import UserFacts
from billing.handlers import HANDLERS
from billing.models import CachedUser
from messaging.celery import app
from messaging.consumer import Handler, inbox, retries
from messaging.consumer import parked as parked_events
from messaging.consumer.outcome import Outcome
from messaging.errors import MessageRejected
from messaging.models import Parked
from messaging.settings import Alias
from messaging.transport import signing
from messaging.transport.queues import DELIVER, HEARTBEAT, queue
from messaging.transport.sender import Sender
from tests.messaging.consumer.test_inbox import envelope
from tests.signing import keys as signing_keys

keys = signing_keys()

BODY = b'[[], {"consumer": "billing", "events": []}, {}]'


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """The test's own keys."""
    return configured(settings, KEY_FOLDER=tmp_path / "keys")["KEY_FOLDER"]


def configured(settings, **values):
    settings.MESSAGING = {**settings.MESSAGING, **values}
    return settings.MESSAGING


def elsewhere(settings, *publics, unsigned=()):
    """Make this process a machine that runs billing alone, with these keys of users."""
    configured(
        settings,
        CONTEXTS=["billing"],
        PUBLIC_KEYS=lambda name: list(publics) if name == "users" else [],
        ACCEPT_UNSIGNED=list(unsigned),
    )


def test_a_signed_message_is_its_publishers():
    headers = signing.signed("users", DELIVER, BODY)
    assert signing.check(headers, DELIVER, BODY) == ["users"]
    assert signing.check(headers, DELIVER, BODY.decode()) == ["users"]
    assert signing.check(headers, DELIVER, memoryview(BODY)) == ["users"]


def altered(**changes):
    return {**signing.signed("users", DELIVER, BODY), **changes}


@pytest.mark.parametrize(
    ("headers", "task", "body", "reason"),
    [
        (lambda: {}, DELIVER, BODY, "unsigned: "),
        (lambda: {"task": DELIVER, "verified": "users"}, DELIVER, BODY, "unsigned: "),
        (altered, DELIVER, BODY.replace(b"[]", b"[ ]"), "bad signature: "),
        (altered, DELIVER, BODY + b" ", "bad signature: "),
        (altered, HEARTBEAT, BODY, "bad signature: "),
        (lambda: altered(publisher="billing"), DELIVER, BODY, "bad signature: "),
        (lambda: altered(publisher="mallory"), DELIVER, BODY, "unknown publisher: "),
        (lambda: altered(publisher="../keys/users"), DELIVER, BODY, "unknown publisher: "),
        (lambda: altered(publisher=7), DELIVER, BODY, "bad signature: "),
        (lambda: altered(publisher="a\x00\udc80"), DELIVER, BODY, "unknown publisher: "),
        (lambda: altered(signature="no base64"), DELIVER, BODY, "bad signature: "),
        (lambda: altered(signature=""), DELIVER, BODY, "bad signature: "),
        (lambda: altered(signature="\udc80"), DELIVER, BODY, "bad signature: "),
        (lambda: altered(signature=None), DELIVER, BODY, "bad signature: "),
        (lambda: altered(publisher=None), DELIVER, BODY, "bad signature: "),
        (altered, DELIVER, ((), {}, {}), "unsigned: "),
        (altered, DELIVER, b" " * (signing.LARGEST_BODY_BYTES + 1), "too large: "),
    ],
)
def test_anything_else_is_refused_with_its_reason(headers, task, body, reason):
    with pytest.raises(MessageRejected) as refused:
        signing.check(headers(), task, body)
    assert str(refused.value).startswith(reason)


def test_no_byte_of_body_or_signature_may_differ():
    headers = signing.signed("users", DELIVER, BODY)
    for place in range(len(BODY)):
        flipped = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
        with pytest.raises(MessageRejected, match="bad signature"):
            signing.check(headers, DELIVER, flipped)
    signature = base64.b64decode(headers["signature"])
    for place in range(len(signature)):
        flipped = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
        with pytest.raises(MessageRejected, match="bad signature"):
            signing.check({**headers, "signature": keys.text(flipped)}, DELIVER, BODY)


def test_a_remote_consumer_knows_only_the_public_key(settings, folder):
    headers, (public,) = signing.signed("users", DELIVER, BODY), keys.public_key_texts("users")
    (private,) = (folder / "users").read_text().split()
    configured(settings, KEY_FOLDER=folder / "of-billing")
    elsewhere(settings)
    with pytest.raises(MessageRejected, match="unknown publisher"):
        signing.check(headers, DELIVER, BODY)
    elsewhere(settings, public)
    assert signing.check(headers, DELIVER, BODY) == ["users"]
    assert private != public


def test_while_keys_change_two_are_accepted(settings, folder):
    old = signing.signed("users", DELIVER, BODY)
    (first,) = keys.public_key_texts("users")
    keys.add("users")
    both = keys.public_key_texts("users")
    assert both[0] == first
    assert signing.signed("users", DELIVER, BODY) == old  # the new one is known before it signs
    keys.switch("users")
    new = signing.signed("users", DELIVER, BODY)
    assert new != old
    for headers in (old, new):
        assert signing.check(headers, DELIVER, BODY) == ["users"]
    keys.drop_retired("users")
    assert signing.check(new, DELIVER, BODY) == ["users"]
    with pytest.raises(MessageRejected, match="bad signature"):
        signing.check(old, DELIVER, BODY)
    elsewhere(settings, *both)
    for headers in (old, new):
        assert signing.check(headers, DELIVER, BODY) == ["users"]


def test_a_key_is_made_once_and_for_its_owner_only(folder):
    barrier, signatures = threading.Barrier(8), set()

    def first():
        barrier.wait()
        signatures.add(signing.signed("users", DELIVER, BODY)["signature"])

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(signatures) == 1  # the signature of a key and a message is always the same
    assert sorted(os.listdir(folder)) == [".gitignore", "users"]
    assert stat.S_IMODE((folder / "users").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_key_of_the_environment_counts_and_none_is_made(settings, folder):
    seed = keys.text(b"s" * 32)
    configured(settings, SIGNING_KEYS=lambda context: [seed])
    headers = signing.signed("users", DELIVER, BODY)
    assert signing.check(headers, DELIVER, BODY) == ["users"]
    assert not folder.exists()


@pytest.mark.parametrize("wrong", ["short", keys.text(b"s" * 31), "no base64!"])
def test_a_wrong_key_is_named_without_its_value(settings, wrong):
    configured(settings, SIGNING_KEYS=lambda context: [wrong])
    with pytest.raises(ImproperlyConfigured) as refused:
        signing.signed("users", DELIVER, BODY)
    assert wrong not in str(refused.value)


def test_unsigned_messages_are_taken_only_from_the_listed_publishers(settings):
    elsewhere(settings, unsigned=["users"])
    assert signing.check({}, DELIVER, BODY) == ["users"]
    with pytest.raises(MessageRejected, match="unknown publisher"):
        signing.check(altered(publisher="mallory"), DELIVER, BODY)


def test_a_sent_message_can_be_checked_in_the_queue():
    sender = Sender(app, "users")
    sender.send("billing", "billing", [{"id": "é\u2028\U0001f600"}])
    sender.close()
    with app.connection_for_read() as connection, connection.channel() as channel:
        message = queue("billing").bind(channel).get(no_ack=True)
    assert signing.check(message.headers, message.headers["task"], message.body) == ["users"]


django_db = pytest.mark.django_db(transaction=True, databases="__all__")


@django_db
def test_a_publisher_may_only_say_what_is_its_own():
    user = uuid.uuid4()
    theirs = envelope(user, 1)
    assert inbox.receive("billing", [theirs, envelope(user, 2, source="billing")], publishers=["billing"]) == Outcome(parked=2)
    assert {row.reason.partition(":")[0] for row in Parked.objects.using("billing").all()} == {"Forged"}
    assert not CachedUser.objects.using("billing").exists()
    assert inbox.receive("billing", [theirs], publishers=["users"]) == Outcome(applied=1)  # the forgery didn't use up its id


def refused(headers, events, consumer="billing"):
    """A message that the worker refused at once, as it keeps it."""
    body = json.dumps([[], {"consumer": consumer, "events": events}, {}])
    found = signing.signed("users", DELIVER, body.encode())
    parked_events.park_refused(Alias("billing"), {"task": DELIVER, **found, **headers}, body.encode(), "bad signature: test")
    return Parked.objects.using("billing").latest("id")


@django_db
def test_a_refused_message_is_kept_whole_and_taken_when_its_key_is_known(settings, folder):
    users = [uuid.uuid4() for _ in range(300)]
    parked = refused({}, [envelope(user, 1) for user in users])
    (public,) = keys.public_key_texts("users")
    assert (parked.event_type, len(parked.raw) > 64 * 1024, parked_events.retriable(parked)) == (DELIVER, True, True)
    configured(settings, KEY_FOLDER=folder / "of-billing")
    elsewhere(settings)
    again = retries.attempt("billing", parked.pk, by="somebody")
    assert again is not None
    assert (again.state, again.reason.partition(":")[0]) == ("parked", "unknown publisher")
    assert not CachedUser.objects.using("billing").exists()
    elsewhere(settings, public)
    again = retries.attempt("billing", parked.pk, by="somebody")
    assert again is not None
    assert (again.state, CachedUser.objects.using("billing").count()) == ("applied", 300)


@django_db
def test_a_handler_that_fails_at_the_retry_parks_its_event_alone(monkeypatch):
    """The inbox tries an `OperationalError` again. It must not close the connection, which is inside the retry's transaction."""

    def fails(events):
        raise OperationalError("no such table: billing_other")

    monkeypatch.setitem(HANDLERS, "users.user.suspended.v1", Handler(reads=UserFacts, apply=fails))
    parked = refused({}, [envelope(uuid.uuid4(), 1), envelope(uuid.uuid4(), 1, "suspended")])
    again = retries.attempt("billing", parked.pk, by="somebody")
    assert again is not None
    assert (again.state, CachedUser.objects.using("billing").count()) == ("applied", 1)
    (waiting,) = Parked.objects.using("billing").filter(state="retrying")
    assert waiting.reason == "OperationalError: no such table: billing_other"


@django_db
def test_a_forged_message_is_refused_however_often_a_person_tries():
    user = uuid.uuid4()
    parked = refused({"signature": keys.text(b"x" * 64)}, [envelope(user, 1)])
    for _ in range(2):
        again = retries.attempt("billing", parked.pk, by="somebody")
        assert again is not None
        assert (again.state, again.reason.partition(":")[0]) == ("parked", "bad signature")
    assert not CachedUser.objects.using("billing").exists()


@django_db
def test_an_event_that_calls_itself_a_refused_message_gains_nothing_by_it():
    body = json.dumps([[], {"consumer": "billing", "events": [envelope(uuid.uuid4(), 1)]}, {}])
    assert inbox.receive("billing", [{"type": DELIVER, "body": body, "verified": "users"}]) == Outcome(parked=1)
    again = retries.attempt("billing", Parked.objects.using("billing").get().pk, by="somebody")
    assert again is not None
    assert (again.state, again.reason.partition(":")[0]) == ("parked", "unsigned")
    assert not CachedUser.objects.using("billing").exists()


@django_db
@pytest.mark.parametrize("events", [[1], None, "text"], ids=["no events", "null", "a text"])
def test_a_signed_message_of_another_shape_stays_parked(events):
    again = retries.attempt("billing", refused({}, events).pk, by="somebody")
    assert again is not None
    assert Parked.objects.using("billing").filter(state="parked").exists()


@django_db
def test_a_refused_message_for_somebody_else_stays_parked():
    again = retries.attempt("billing", refused({}, [envelope(uuid.uuid4(), 1)], consumer="users").pk, by="somebody")
    assert again is not None
    assert (again.state, again.reason) == ("parked", "It isn't addressed to billing.")


@django_db
def test_of_refused_heartbeats_one_is_kept():
    for number in range(3):
        parked_events.park_refused(
            Alias("billing"), {"task": HEARTBEAT}, json.dumps([[], {"head": number}, {}]).encode(), "unsigned: test"
        )
    assert Parked.objects.using("billing").count() == 1
