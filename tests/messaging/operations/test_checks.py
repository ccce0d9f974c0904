"""Django's checks of messaging. E003 reports what fingerprints can't compare before the first comparison."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections, router
from django.db.models import Model
from django.utils import timezone
from django_outbox_pattern import settings as outbox_pattern_settings
from django_outbox_pattern.models import Published
from django_outbox_pattern.producers import Producer

from billing.caches import CACHES
from messaging.models import Ledger, Subscription
from messaging.operations import checks
from users.services import user_register


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


def test_sqlite_without_immediate_transactions_is_a_warning(monkeypatch):
    assert checks.sqlite_writers_wait_for_each_other(None) == []
    database = connections["users"]
    monkeypatch.setattr(database, "vendor", "sqlite")
    monkeypatch.setitem(database.settings_dict, "OPTIONS", {"timeout": 30})  # as startproject makes it, or with other options
    (found,) = checks.sqlite_writers_wait_for_each_other(None)
    assert (found.id, found.msg) == (
        "messaging.W007",
        "SQLite transactions of the database 'users' aren't immediate, so they may collide.",
    )
    monkeypatch.setitem(database.settings_dict, "OPTIONS", {"transaction_mode": "immediate"})
    assert checks.sqlite_writers_wait_for_each_other(None) == []


def test_a_second_alias_for_a_context_s_database_is_a_warning(monkeypatch):
    assert checks.a_database_has_one_alias(None) == []
    for other in ("default", "billing"):
        with monkeypatch.context() as patch:
            for key in ("NAME", "HOST", "PORT"):
                patch.setitem(connections[other].settings_dict, key, connections["users"].settings_dict[key])
            (warning,) = checks.a_database_has_one_alias(None)
            one, two = sorted(["users", other]) if other == "billing" else ["users", other]
            assert warning.msg == (
                f"The aliases {one!r} and {two!r} lead to one database. A transaction on one doesn't cover the other."
            )
            assert warning.id == "messaging.W006"
            patch.setitem(connections[other].settings_dict, "NAME", ":memory:")
            assert checks.a_database_has_one_alias(None) == []


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
        "booleans, datetimes and UUIDs: leave the field out.",
    ]


def test_a_process_that_installs_messaging_has_its_checks():
    done = subprocess.run([sys.executable, "manage.py", "check", "--list-tags"], capture_output=True, text=True, check=True)
    assert "messaging" in done.stdout.split()


class OneDatabase:
    """A host's router: the package's queries, which name no database, go to the one of `users`."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return "users"

    db_for_write = db_for_read


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "routers", [OneDatabase()])


def kept() -> list[str]:
    found = [
        *checks.outbox_rows_are_kept(None),
        *checks.outbox_rows_are_kept_beside_a_hosts(None, databases=["users", "billing"]),
    ]
    assert {warning.id for warning in found} <= {"messaging.W005"}
    return [warning.msg for warning in found]


DELETES = "django-outbox-pattern deletes outbox and inbox rows of users after 30 days, unsent events too."


@pytest.mark.django_db(databases="__all__")
def test_a_host_that_sets_the_package_up_is_told_what_its_clean_up_deletes(shared: None, settings: Any) -> None:
    assert kept() == []
    settings.DJANGO_OUTBOX_PATTERN = {"DEFAULT_STOMP_USERNAME": "host"}
    assert kept() == [DELETES]


@pytest.mark.django_db(databases="__all__")
def test_a_host_with_rows_and_the_packages_defaults_is_told_too(shared: None) -> None:
    user_register(email="ada@example.org", name="Ada")
    assert kept() == []
    Published.objects.using("users").create(destination="/queue/orders", body={})
    assert kept() == [DELETES]


@pytest.mark.django_db(databases="__all__")
def test_a_router_that_does_not_guess_refuses_the_clean_up_itself(settings: Any) -> None:
    settings.DJANGO_OUTBOX_PATTERN = {}
    assert kept() == []
    with pytest.raises(LookupError):
        Producer(None, "", "")._remove_old_messages()


@pytest.mark.django_db(databases="__all__")
def test_the_setting_that_the_check_names_stops_the_clean_up(shared: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DJANGO_OUTBOX_PATTERN = {}
    user_register(email="ada@example.org", name="Ada")
    rows = Published.objects.using("users")
    rows.update(added=timezone.now() - timedelta(days=3650))
    (warning,) = checks.outbox_rows_are_kept(None)
    named, days = re.findall(r'\["(\w+)"\] to (\d+)', str(warning.hint))[0]
    with monkeypatch.context() as patch:
        patch.setattr(outbox_pattern_settings, named, int(days))
        assert kept() == []
        cache.clear()
        Producer(None, "", "")._remove_old_messages()
    assert rows.count() == 1
    cache.clear()
    Producer(None, "", "")._remove_old_messages()
    assert rows.count() == 0
    cache.clear()
