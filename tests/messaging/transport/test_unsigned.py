"""Signing is left out by a setting, or by an extra that isn't installed; never where keys show that messages are signed."""

import json
import uuid

import pytest
from django.core.exceptions import ImproperlyConfigured

from billing.models import CachedUser
from messaging import tasks
from messaging.celery import app
from messaging.consumer import parked as parked_events
from messaging.consumer import retries
from messaging.errors import MessageRejected, MissingExtra
from messaging.models import Parked, Subscription
from messaging.operations import checks
from messaging.publisher.relay import Relay
from messaging.settings import Alias
from messaging.transport import signing
from messaging.transport.queues import DELIVER
from tests.commands.calling import call
from tests.messaging.consumer.test_inbox import envelope
from tests.messaging.travelling import travelled
from tests.signing import keys, needs_signing
from tests.without import without

BODY = b'[[], {"consumer": "billing", "events": []}, {}]'
SENTENCE = 'needs cryptography, which isn\'t installed: pip install "django-bounded-contexts[signing]"'
django_db = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """The test's own keys: none."""
    settings.MESSAGING = {**settings.MESSAGING, "KEY_FOLDER": tmp_path / "keys"}
    return tmp_path / "keys"


@pytest.fixture
def not_installed(monkeypatch):
    with without("cryptography"):
        yield


def configured(settings, **values):
    settings.MESSAGING = {**settings.MESSAGING, **values}


def received():
    """Take a user's event from an unsigned message; returns the copy's status, if it has one."""
    user = uuid.uuid4()
    tasks.deliver.run(**travelled(DELIVER, consumer="billing", events=[envelope(user, 1)]))
    return CachedUser.objects.using("billing").filter(user_id=user).values_list("status", flat=True).first()


def reasons():
    return [row.reason for row in Parked.objects.using("billing").all()]


@needs_signing
@django_db
def test_a_setting_leaves_signing_out(settings, folder):
    signed = signing.signed("users", DELIVER, BODY)
    keys().drop_retired("users")
    configured(settings, SIGNING=False)
    assert signing.signed("users", DELIVER, BODY) == {}
    assert "users" in signing.check({}, DELIVER, BODY)
    assert "users" in signing.check({**signed, "signature": "of somebody else"}, DELIVER, BODY)
    assert received() == "active"
    assert checks.broker.messages_are_signed(None) == []


@django_db
def test_without_the_extra_and_without_keys_messages_are_unsigned(not_installed, folder):
    assert signing.signed("users", DELIVER, BODY) == {}
    assert received() == "active"
    tasks.heartbeat.run(
        **travelled("messaging.heartbeat", consumer="billing", authority="users", head=0, at="2026-01-01T00:00:00+00:00")
    )
    assert Subscription.objects.of(Alias("billing")).filter(authority="users").exists()
    assert reasons() == []
    assert not folder.exists()


def test_a_missing_extra_is_a_warning(not_installed, settings):
    (warning,) = checks.broker.messages_are_signed(None)
    assert (warning.id, SENTENCE in str(warning.hint)) == ("messaging.W017", True)
    configured(settings, SIGNING=False)
    assert checks.broker.messages_are_signed(None) == []


@needs_signing
@django_db
def test_a_signed_message_is_refused_where_it_cant_be_verified(settings):
    arrived = travelled(DELIVER, consumer="billing", events=[envelope(uuid.uuid4(), 1)])
    assert "signature" in arrived["headers"]
    keys_elsewhere(settings)
    with without("cryptography"):
        tasks.deliver.run(**arrived)
    (reason,) = reasons()
    assert reason.startswith(f"can't be verified: it is signed. Signing messages {SENTENCE}")
    assert not CachedUser.objects.using("billing").exists()


def test_a_name_that_no_file_can_have_has_no_keys(not_installed):
    """The name comes with a message."""
    assert signing.problem("billing", "a" * 300) is None


def keys_elsewhere(settings):
    """Make this a machine that never had keys."""
    configured(settings, KEY_FOLDER=settings.MESSAGING["KEY_FOLDER"] / "another")


@pytest.mark.parametrize("where", ["SIGNING_KEYS", "PUBLIC_KEYS", "file"])
@django_db
def test_keys_without_the_extra_are_refused_everywhere(not_installed, settings, folder, where):
    if where == "file":
        folder.mkdir()
        (folder / "users").write_text("a key\n")
    else:
        configured(settings, **{where: lambda context: ["a key"] if context == "users" else []})
    with pytest.raises(MissingExtra, match="users has keys"):
        Relay("users", app)
    with pytest.raises(MissingExtra, match="can't sign"):
        signing.signed("users", DELIVER, BODY)
    found = [problem for problem in checks.handlers.publishers_are_known(None, databases=["billing"]) if "users" in problem.msg]
    assert found
    assert all(SENTENCE in str(problem.hint) for problem in found)
    body = json.dumps([[], {"consumer": "billing", "events": [envelope(uuid.uuid4(), 1)]}, {}]).encode()
    tasks.deliver.run(context="billing", headers={}, body=body)
    assert [reason.partition(":")[0] for reason in reasons()] == ["Forged"]
    parked_events.park_refused(Alias("billing"), {"task": DELIVER}, body, "unsigned: by a worker with the extra")
    again = retries.attempt("billing", Parked.objects.using("billing").latest("id").pk, by="somebody")
    assert again is not None
    assert not CachedUser.objects.using("billing").exists()


def test_commands_refuse_in_a_sentence(not_installed, settings, folder):
    folder.mkdir()
    (folder / "users").write_text("a key\n")
    for command in (["relay", "users", "--once"], ["signing_keys", "users"]):
        ended = call(*command)
        assert (ended.code, SENTENCE in ended.err) == (3, True), ended


def test_a_setting_may_require_signatures(not_installed, settings):
    configured(settings, SIGNING=True)
    with pytest.raises(MissingExtra, match="needs cryptography"):
        signing.signed("users", DELIVER, BODY)
    with pytest.raises(MissingExtra):
        signing.check({}, DELIVER, BODY)
    assert SENTENCE in checks.handlers.publishers_are_known(None, databases=["billing"])[0].msg


def test_a_wrong_setting_is_named(settings):
    configured(settings, SIGNING="no")
    with pytest.raises(ImproperlyConfigured, match=r"MESSAGING\[\"SIGNING\"\] is 'no'. Set it to True or False"):
        signing.signed("users", DELIVER, BODY)


@needs_signing
def test_with_the_extra_messages_are_signed():
    with pytest.raises(MessageRejected, match="unsigned"):
        signing.check({}, DELIVER, BODY)
