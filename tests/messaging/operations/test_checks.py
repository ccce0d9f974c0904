"""Django's checks of messaging. E003 reports what fingerprints can't compare before the first comparison."""

import subprocess
import sys
from dataclasses import replace

from celery import Celery

from billing.caches import CACHES
from messaging.models import Ledger, Subscription
from messaging.operations import checks


def found(monkeypatch, **caches):
    monkeypatch.setattr(checks, "declared_caches", lambda consumer: caches if consumer == "billing" else {})
    return [(error.id, error.msg) for error in checks.feeds_can_be_compared(None)]


def test_the_project_can_be_compared():
    assert checks.feeds_can_be_compared(None) == []


def test_a_missing_broker_is_a_warning(monkeypatch):
    assert checks.broker_is_set(None) == []
    monkeypatch.delenv("CELERY_BROKER_URL")
    monkeypatch.setattr(checks, "current_app", Celery("bare", set_as_current=False))
    assert [(warning.id, warning.msg, warning.hint) for warning in checks.broker_is_set(None)] == [
        (
            "messaging.W004",
            "Celery has no broker: broker_url isn't set, and Celery would use RabbitMQ on localhost.",
            'Set it, for example CELERY_BROKER_URL = "redis://localhost:6379/0" in a project whose Celery app reads CELERY_… '
            "settings, and import that app in the project's __init__.py. Until then relays and workers refuse to start.",
        )
    ]


def test_a_copy_keyed_by_another_column_than_its_primary_key_is_an_error(monkeypatch):
    cache = replace(CACHES["users"], model=Ledger, key="aggregate_id", fields=("aggregate",))
    assert found(monkeypatch, users=cache) == [
        ("messaging.E003", "The copy in billing of users: messaging.Ledger.aggregate_id isn't the primary key.")
    ]


def test_a_key_of_a_type_without_ranges_is_an_error(monkeypatch):
    cache = replace(CACHES["users"], model=Ledger, key="changed_at", fields=("aggregate",))
    assert found(monkeypatch, users=cache) == [
        (
            "messaging.E003",
            "The copy in billing of users: messaging.Ledger.changed_at is a DateTimeField. A key is an integer, a UUID or a text "
            "of at most 100 characters.",
        )
    ]


def test_rows_that_move_between_contexts_need_uuids(monkeypatch):
    cache = replace(CACHES["users"], model=Ledger, key="id", fields=("aggregate",), follows=True)
    assert found(monkeypatch, users=cache) == [
        ("messaging.E003", "The copy in billing of users: messaging.Ledger.id isn't a UUIDField.")
    ]


def test_fields_that_are_none_or_cannot_be_compared_are_errors(monkeypatch):
    cache = CACHES["users"]
    assert found(monkeypatch, users=replace(cache, fields=("nickname",))) == [
        ("messaging.E003", "The copy in billing of users: CachedUser has no field named 'nickname'")
    ]
    errors = found(monkeypatch, users=replace(cache, model=Subscription, key="authority", fields=("drift",), version="applied"))
    assert [message for _, message in errors] == [
        "The copy in billing of users: messaging.Subscription.drift is a JSONField. A copy can only have texts, integers, "
        "decimals, booleans, dates, times and UUIDs: leave the field out.",
    ]


def test_a_process_that_installs_messaging_has_its_checks():
    done = subprocess.run([sys.executable, "manage.py", "check", "--list-tags"], capture_output=True, text=True, check=True)
    assert "messaging" in done.stdout.split()
