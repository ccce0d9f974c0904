"""`replay`: recorded events again, and its output for a person and a script."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone
from django_outbox_pattern.models import Published

from billing.handlers import HANDLERS
from billing.models import CachedUser
from messaging.celery import app
from messaging.consumer import inbox
from messaging.models import Consumer, Repair
from messaging.publisher.relay import Relay
from messaging.transport.queues import queue
from tests.commands.calling import call
from users.services import user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def waiting():
    """Register billing; the test reads the messages that wait in its queue."""
    values = {"queue": "billing", "types": sorted(HANDLERS), "fields": ["status", "status_since"], "owners": ["team@example.org"]}
    Consumer.objects.using("users").create(name="billing", **values)

    def read():
        events = []
        with app.connection_for_read() as connection, connection.channel() as channel:
            bound = queue("billing").bind(channel)
            bound.declare()
            while (message := bound.get(no_ack=True)) is not None:
                events += json.loads(message.body)[1]["events"]
        return events

    read()
    yield read
    read()


def told(count=3):
    """Some users with events that were sent."""
    users = [user_register(email=f"u{number}@example.org", name="U") for number in range(count)]
    relay = Relay("users", app)
    relay.run_once()
    relay.sender.close()
    return users


def test_it_sends_again_and_tells_the_owners(waiting, mailoutbox):
    told(3)
    inbox.receive("billing", waiting()[:1])
    ended = call("replay", "users", "--json")
    assert (ended.code, ended.json["events"]) == (0, 3)
    assert ended.json["outcomes"] == {"apply": 2, "duplicate": 1, "obsolete": 0}
    inbox.receive("billing", waiting())
    assert CachedUser.objects.using("billing").count() == 3
    repair = Repair.objects.using("users").get()
    assert (repair.kind, repair.consumers, repair.counts) == ("replay", ["billing"], {"events": 3, "copies": 3})
    assert repair.done_by
    (mail,) = mailoutbox
    assert mail.to == ["team@example.org"]
    assert "replay users" in mail.body
    assert "events: 3" in mail.body


def test_a_dry_run_shows_each_event_and_does_nothing(waiting, mailoutbox):
    users = told(3)
    inbox.receive("billing", waiting()[:1])
    CachedUser.objects.using("billing").create(
        user_id=users[1].pk,
        status="active",
        status_since=timezone.now(),
        version=5,
        source="repair",
        authority_time=timezone.now(),
        received_at=timezone.now(),
    )
    ended = call("replay", "users", "--dry-run", "--json")
    assert (ended.code, ended.json["events"]) == (0, 3)
    assert ended.json["outcomes"] == {"apply": 1, "duplicate": 1, "obsolete": 1}
    shown = call("replay", "users", "--dry-run").out
    for number, outcome in enumerate(("duplicate", "obsolete", "apply")):
        (line,) = [line for line in shown.splitlines() if str(users[number].pk) in line]
        assert outcome in line
    assert waiting() == []
    assert not mailoutbox
    assert not Repair.objects.using("users").exists()


def test_the_table_has_at_most_50_rows(waiting):
    users = told(60)
    ended = call("replay", "users", "--dry-run")
    assert sum(str(user.pk) in ended.out for user in users) == 50
    assert "60 events would be sent" in ended.out


def test_it_chooses(waiting):
    _, second = told(2)
    user_suspend(user_id=second.pk, reason="x")
    Relay("users", app).run_once()
    waiting()
    assert call("replay", "users", "--subject", str(second.pk), "--json").json["events"] == 2
    words = ("--type", "users.user.suspended.v1", "--to", "billing")
    assert call("replay", "users", *words, "--json").json["events"] == 1
    added = Published.objects.using("users").order_by("added").values_list("added", flat=True)
    words = ("--since", added[1].isoformat(), "--until", added[2].isoformat())
    assert call("replay", "users", *words, "--json").json["events"] == 1
    asked = Repair.objects.using("users").latest("id").window
    assert added[1].isoformat() in asked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "2026-11-23T09:00:00"), "no time zone"),
        (("--until", "2026-11-23"), "For UTC write 2026-11-23T00:00:00Z"),
        (("--since", "yesterday"), "not a time"),
        (("--since", "0001-01-01T00:00:00+14:00"), "not a time"),
        (("--since", "2026-11-23T09:00:00Z", "--until", "2026-11-22T09:00:00Z"), "Give an earlier --since"),
        (("--since", "2999-01-01T00:00:00Z"), "Give an earlier --since"),
        (("--to", "shipping"), "shipping isn't registered with users."),
        (("--type", "users.user.cloned.v1"), "no event type"),
    ],
)
def test_wrong_words_send_nothing(waiting, words, said):
    told(1)
    waiting()
    ended = call("replay", "users", *words)
    assert ended.code == 2
    assert said in ended.err
    assert waiting() == []


def test_an_unknown_context():
    assert call("replay", "shipping").code == 2


def test_nobody_is_registered():
    told(1)
    ended = call("replay", "users")
    assert ended.code == 1
    assert "users has no consumers" in ended.err


def test_deleted_events_are_reported_and_the_rest_is_sent(waiting):
    began = timezone.now() - timedelta(seconds=5)
    told(3)
    waiting()
    Published.objects.using("users").order_by("added").first().delete()
    ended = call("replay", "users", "--since", began.isoformat(), "--json")
    assert (ended.code, ended.json["events"], ended.json["missing"]) == (1, 2, 1)
    assert "For 1 aggregate that last changed before the oldest kept event" in ended.err
    assert "bootstrap" in ended.err
    assert len(waiting()) == 2
    everything = call("replay", "users")
    assert everything.code == 0
    assert "For 1 aggregate that last changed before the oldest kept event" in everything.out


def test_an_unreachable_broker(waiting, mailoutbox):
    told(1)
    with override_settings(MESSAGING={**settings.MESSAGING, "BROKER_URL": "redis://127.0.0.1:1/0"}):
        ended = call("replay", "users")
    assert ended.code == 3
    assert "broker doesn't answer" in ended.err
    assert not mailoutbox
    assert not Repair.objects.using("users").exists()
    assert call("replay", "users", "--dry-run").code == 0
