"""What chapter 3 says about the relay of django-outbox-pattern: its real code on these databases. Only STOMP is replaced."""

import logging
from typing import Any

import pytest
from django.db import connections, router
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.factories import factory_producer
from django_outbox_pattern.models import Published
from django_outbox_pattern.producers import Producer

from config.management.replaced import Only
from messaging.database.outbox_pattern import WAITING
from users.services import user_register
from walkthrough.scenarios import picked_relay

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
TRY = "Starting publisher"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """An event waits in the outbox of users. The messages that the relay sends."""
    user_register(email="ada@example.org", name="Ada")
    found: list[Any] = []

    def send(self: Producer, message: Published) -> int:
        found.append(message.pk)
        return 0

    monkeypatch.setattr(Producer, "start", lambda self: None)
    monkeypatch.setattr(Producer, "stop", lambda self: None)
    monkeypatch.setattr(Producer, "_waiting", lambda self: None)
    monkeypatch.setattr(Producer, "send", send)
    return found


def states() -> list[int]:
    return list(Published.objects.using("users").values_list("status", flat=True))


def test_it_reads_default_and_says_nothing_but_that_it_starts(
    sent: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert not hasattr(picked_relay, "DATABASE_ROUTERS")
    monkeypatch.setattr(router, "routers", [])
    with caplog.at_level(logging.DEBUG, "django_outbox_pattern"):
        factory_producer().publish_message_from_database()
    assert [(record.levelname, TRY in record.message) for record in caplog.records] == [("INFO", True)]
    assert (sent, states()) == ([], [WAITING])


def test_a_router_leads_it_to_its_own_rows_and_on_postgresql_it_still_sends_nothing(
    sent: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(router, "routers", [Only("users")])
    own = Published.objects.create(destination="/topic/users", body={})
    with caplog.at_level(logging.INFO, "django_outbox_pattern"):
        factory_producer().publish_message_from_database()
    refused = connections["users"].vendor == "postgresql"
    own.refresh_from_db()
    expected = ([], StatusChoice.SCHEDULE) if refused else ([own.pk], StatusChoice.SUCCEEDED)
    assert (sent, own.status) == expected
    assert any(TRY in record.message for record in caplog.records) == refused
    assert WAITING in states()  # this project's events have states of their own, and no other relay takes them
