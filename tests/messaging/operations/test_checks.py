"""Django's checks of messaging. E003 reports what fingerprints can't compare before the first comparison."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from billing.caches import CACHES
from messaging.models import Ledger, Subscription
from messaging.operations import checks


def found(monkeypatch, **caches):
    monkeypatch.setattr(checks, "declared_caches", lambda consumer: caches if consumer == "billing" else {})
    return [(error.id, error.msg) for error in checks.feeds_can_be_compared(None)]


def test_the_project_can_be_compared():
    assert checks.feeds_can_be_compared(None) == []


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (None, 'MESSAGING["BROKER_URL"] isn\'t set, so there is no broker.'),
        ("localhost:6379", 'MESSAGING["BROKER_URL"] isn\'t a URL.'),
        ("radis://:secret@localhost/0", 'MESSAGING["BROKER_URL"] begins with radis://, which kombu doesn\'t know.'),
    ],
)
def test_a_missing_broker_is_a_warning(settings, url, problem):
    assert checks.broker_is_set(None) == []
    settings.MESSAGING = {**settings.MESSAGING, "BROKER_URL": url}
    assert [(warning.id, warning.msg, warning.hint) for warning in checks.broker_is_set(None)] == [
        (
            "messaging.W004",
            f'{problem} Set it, for example to "redis://localhost:6379/3" or "amqp://login:password@localhost/vhost".',
            "Until then relays, workers and the scheduler refuse to start.",
        )
    ]


def test_a_key_that_is_no_uuid_is_an_error(monkeypatch):
    cache = replace(CACHES["users"], model=Ledger, key="id", fields=("aggregate_id",))
    assert found(monkeypatch, users=cache) == [
        ("messaging.E003", "The copy in billing of users: messaging.Ledger.id isn't a UUIDField with primary_key=True.")
    ]


def test_a_feed_that_is_keyed_by_numbers_is_an_error(monkeypatch):
    feed: Any = SimpleNamespace(model=Ledger, fields=("version",))
    monkeypatch.setattr(checks, "declared_feed", lambda authority: feed if authority == "users" else None)
    assert [error.msg for error in checks.feeds_can_be_compared(None)] == [
        "The feed of users: messaging.Ledger.id isn't a UUIDField with primary_key=True."
    ]


def test_fields_that_are_none_or_cannot_be_compared_are_errors(monkeypatch):
    cache = CACHES["users"]
    assert found(monkeypatch, users=replace(cache, fields=("nickname",))) == [
        ("messaging.E003", "The copy in billing of users: CachedUser has no field named 'nickname'")
    ]
    errors = found(monkeypatch, users=replace(cache, model=Subscription, key="authority", fields=("drift",), version="applied"))
    assert [message for _, message in errors] == [
        "The copy in billing of users: messaging.Subscription.authority isn't a UUIDField with primary_key=True.",
        "The copy in billing of users: messaging.Subscription.drift is a JSONField. A copy can only have texts, integers, "
        "booleans, times and UUIDs: leave the field out.",
    ]


def test_a_process_that_installs_messaging_has_its_checks():
    done = subprocess.run([sys.executable, "manage.py", "check", "--list-tags"], capture_output=True, text=True, check=True)
    assert "messaging" in done.stdout.split()
