"""The switches really act: through a relay's round and a broker, or in front of the publisher's outbox."""

import json
import subprocess
import sys

import pytest
from django_outbox_pattern.models import Published

from config.env import ROOT
from messaging.celery import app
from messaging.database.outbox_pattern import WAITING
from messaging.models import Consumer, Ledger
from messaging.publisher import republish
from messaging.publisher.relay import Relay
from messaging.transport.queues import queue
from tests.probes import wait_for
from users.models import User
from users.services import user_reactivate, user_register, user_suspend
from walkthrough.control import faults

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def _mended():
    faults.mend_all()
    yield
    faults.mend_all()


@pytest.fixture
def relay():
    relay = Relay("users", app)
    yield relay
    relay.sender.close()


@pytest.fixture
def read():
    """What waits in billing's queue, over the in-process broker: one list of events for each message."""
    types = [f"users.user.{what}.v1" for what in ("created", "suspended", "reactivated")]
    Consumer.objects.using("users").create(name="billing", queue="billing", types=types, fields=["status"])

    def messages():
        found = []
        with app.connection_for_read() as connection, connection.channel() as channel:
            bound = queue("billing").bind(channel)
            bound.declare()
            while (message := bound.get(no_ack=True)) is not None:
                found.append(json.loads(message.body)[1]["events"])
        return found

    messages()
    yield messages
    messages()


def users(number):
    return [user_register(email=f"u{count}@example.org", name="U") for count in range(number)]


def collect(read, number):
    """Messages, as they arrive, until there are so many."""
    arrived = []

    def enough():
        arrived.extend(read())
        return len(arrived) >= number

    wait_for(enough, timeout=10, what=f"{number} messages", seen=lambda: len(arrived))
    assert len(arrived) == number
    return arrived


def unsent():
    return Published.objects.using("users").filter(status=WAITING).count()


def test_nothing_is_on_by_default_and_a_round_is_one_message(relay, read):
    users(3)
    assert faults.switched_on() == frozenset()
    assert relay.run_once().sent == 3
    assert [len(message) for message in read()] == [3]


def test_drop_sends_nothing_and_believes_that_it_did(relay, read):
    faults.switch("drop", True)
    users(3)
    assert relay.run_once().sent == 3
    assert (read(), unsent()) == ([], 0)
    faults.switch("drop", False)
    users_behind = user_register(email="behind@example.org", name="B")
    relay.run_once()
    assert [[event["subject"] for event in message] for message in read()] == [[str(users_behind.pk)]]


def test_duplicate_sends_each_message_three_times(relay, read):
    faults.switch("duplicate", True)
    users(2)
    relay.run_once()
    messages = read()
    assert len(messages) == 3
    assert messages[0] == messages[1] == messages[2]
    assert len(messages[0]) == 2


def test_delay_holds_a_message_back_and_it_arrives_later(relay, read, monkeypatch):
    faults.switch("delay", True)
    users(2)
    held = []
    # The clock stands: what is held back can't leave before it is looked at.
    monkeypatch.setattr(faults.Later, "send", lambda self, wait, *message: held.append((wait, message)))
    relay.run_once()
    assert (read(), unsent()) == ([], 0)
    ((wait, message),) = held
    assert wait == faults.DELAY
    monkeypatch.undo()
    faults.Later().send(0.01, *message)
    arrived = collect(read, 1)
    assert [len(message) for message in arrived] == [2]


def test_reorder_lets_every_event_travel_alone_and_loses_none(relay, read, monkeypatch):
    monkeypatch.setattr(faults, "DELAY", 0.3)
    faults.switch("reorder", True)
    (user,) = users(1)
    for _ in range(10):
        user_suspend(user_id=user.pk, reason="x")
        user_reactivate(user_id=user.pk)
    relay.run_once()
    arrived = collect(read, 21)
    versions = [event["aggregateversion"] for (event,) in arrived]
    assert sorted(versions) == list(range(1, 22))
    assert versions != sorted(versions)  # by chance one time in 21 factorial


def test_duplicate_and_reorder_together(relay, read, monkeypatch):
    monkeypatch.setattr(faults, "DELAY", 0.1)
    faults.switch("duplicate", True)
    faults.switch("reorder", True)
    users(4)
    relay.run_once()
    arrived = collect(read, 12)
    assert all(len(message) == 1 for message in arrived)


def test_the_publisher_s_bug_changes_the_row_and_records_nothing():
    user = user_register(email="ada@example.org", name="Ada")
    faults.switch("publisher_bug", True)
    user_suspend(user_id=user.pk, reason="nobody hears")
    assert User.objects.get(pk=user.pk).status == "suspended"
    assert Published.objects.using("users").count() == 1
    entry = Ledger.objects.using("users").get(aggregate_id=str(user.pk))
    assert (entry.version, entry.announced_version) == (2, 1)
    assert list(republish.missing("users")) == [str(user.pk)]
    (late,) = faults.suppressed()
    assert (late["type"], late["subject"], late["aggregateversion"]) == ("users.user.suspended.v1", str(user.pk), 2)
    assert late["data"]["suspension_reason"] == "nobody hears"
    faults.switch("publisher_bug", False)
    user_reactivate(user_id=user.pk)
    assert Published.objects.using("users").count() == 2


def test_mending_switches_all_off_and_forgets_what_was_kept():
    user = user_register(email="ada@example.org", name="Ada")
    for name in faults.NAMES:
        faults.switch(name, True)
    assert faults.switched_on() == faults.NAMES
    user_suspend(user_id=user.pk, reason="x")
    assert faults.suppressed()
    faults.mend_all()
    assert (faults.switched_on(), faults.suppressed()) == (frozenset(), [])


def test_every_process_sees_a_switch():
    faults.switch("drop", True)
    faults.switch("delay", True)
    code = "from walkthrough.control import faults; print(sorted(faults.switched_on()))"
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
    seen = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert seen.stdout.strip() == "['delay', 'drop']"


def test_what_is_no_switch_is_refused():
    with pytest.raises(KeyError):
        faults.switch("flood", True)
    assert faults.switched_on() == frozenset()


def test_a_file_that_is_just_being_written_changes_nothing():
    faults.switch("drop", True)
    assert faults.switched_on() == {"drop"}
    faults.FILE.write_text('["dr')
    assert faults.switched_on() == {"drop"}
