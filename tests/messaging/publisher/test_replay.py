"""Replay sends the same events again, with their old ids, only to the chosen consumers; and its forecast is right."""

import json
import random
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone
from django_outbox_pattern.models import Published
from kombu.exceptions import OperationalError as BrokerError

from billing.handlers import HANDLERS
from billing.models import CachedUser
from messaging.celery import app
from messaging.consumer import inbox
from messaging.consumer.forecast import outcomes, outcomes_if_known
from messaging.errors import BrokerAway
from messaging.models import Consumer, Ledger, Subscription
from messaging.publisher.relay import Relay
from messaging.publisher.replay import Window, gap, replay
from messaging.transport.queues import queue
from messaging.transport.sender import Sender
from users.models import User
from users.services import user_change_email, user_erase, user_reactivate, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def sender():
    sender = Sender(app, "users")
    yield sender
    sender.close()


@pytest.fixture
def queues():
    """Register billing, which runs here, and mail, which doesn't; returns a reader of a queue on the in-process broker."""
    fields = ["status", "status_since"]
    Consumer.objects.using("users").create(name="billing", queue="billing", types=sorted(HANDLERS), fields=fields)
    Consumer.objects.using("users").create(name="mail", queue="mail", types=["users.user.created.v1"], fields=["email"])

    def read(name):
        messages = []
        with app.connection_for_read() as connection, connection.channel() as channel:
            bound = queue(name).bind(channel)
            bound.declare()
            while (message := bound.get(no_ack=True)) is not None:
                messages.append(json.loads(message.body)[1]["events"])
        return messages

    for name in ("billing", "mail"):
        read(name)
    yield read
    for name in ("billing", "mail"):
        read(name)


def send_out():
    """Do the relay's work."""
    relay = Relay("users", app)
    while relay.run_once().sent:
        pass
    relay.sender.close()


def users(count):
    return [user_register(email=f"u{number}@example.org", name="U") for number in range(count)]


def consumers(*names):
    return list(Consumer.objects.using("users").filter(name__in=names))


def now(**changes):
    return Window(until=timezone.now(), **changes)


def events(messages):
    return [event for message in messages for event in message]


def statuses():
    return list(Published.objects.using("users").order_by("id").values_list("id", "status", "retry", "headers", "body"))


def counters():
    row = Subscription.objects.using("billing").filter(authority="users").first()
    return {"apply": row.applied, "duplicate": row.duplicate, "obsolete": row.obsolete} if row else dict.fromkeys(OUTCOMES, 0)


OUTCOMES = "apply", "duplicate", "obsolete"


def test_the_same_events_come_again_marked_and_only_with_the_consumers_types_and_fields(queues, sender):
    user = user_register(email="ada@example.org", name="Ada")
    user_suspend(user_id=user.pk, reason="secret reason")
    send_out()
    first, mail = events(queues("billing")), events(queues("mail"))
    before = statuses()
    done = replay("users", consumers("billing", "mail"), now(), sender=sender)
    assert (done.events, done.copies, done.touched) == (2, 3, {"billing", "mail"})
    assert events(queues("billing")) == [{**event, "replay": True} for event in first]
    again = events(queues("mail"))
    assert again == [{**event, "replay": True} for event in mail]
    assert [event["data"] for event in again] == [{"email": "ada@example.org"}]
    assert statuses() == before


def test_only_what_was_sent_is_sent_again(queues, sender):
    (user,) = users(1)
    assert replay("users", consumers("billing"), now(), sender=sender).events == 0
    send_out()
    user_suspend(user_id=user.pk, reason="waits still")
    queues("billing")
    assert replay("users", consumers("billing"), now(), sender=sender).events == 1
    assert [event["type"] for event in events(queues("billing"))] == ["users.user.created.v1"]


def test_only_one_consumer_where_one_is_named(queues, sender):
    users(3)
    send_out()
    queues("billing"), queues("mail")
    replay("users", consumers("mail"), now(), sender=sender)
    assert (len(events(queues("mail"))), queues("billing")) == (3, [])


def test_window_type_and_subject_choose(queues, sender):
    _, second, _ = users(3)
    user_suspend(user_id=second.pk, reason="x")
    send_out()
    queues("billing")
    rows = list(Published.objects.using("users").order_by("added", "id"))

    def chosen(**changes):
        replay("users", consumers("billing"), Window(**{"until": timezone.now(), **changes}), sender=sender)
        return [event["id"] for event in events(queues("billing"))]

    ids = [str(row.pk) for row in rows]
    assert chosen(since=rows[1].added) == ids[1:]
    assert chosen(until=rows[2].added) == ids[:2]
    assert chosen(since=rows[1].added, until=rows[3].added) == ids[1:3]
    assert chosen(type="users.user.suspended.v1") == ids[3:]
    assert chosen(subject=str(second.pk)) == [ids[1], ids[3]]
    assert chosen(subject=str(second.pk), type="users.user.created.v1") == [ids[1]]
    assert chosen(subject="nobody") == []
    assert chosen(type="users.user.cloned.v1") == []


def test_batches_pass_by_nothing_and_keep_the_order_even_among_equal_times(queues, sender, monkeypatch):
    monkeypatch.setattr("messaging.publisher.replay.BATCH_ROWS", 7)
    users(40)
    send_out()
    queues("billing")
    Published.objects.using("users").update(added=timezone.now() - timedelta(minutes=1))
    sizes: list[int] = []
    done = replay("users", consumers("billing"), now(), sender=sender, progress=sizes.append)
    assert (done.events, sizes) == (40, [7] * 5 + [5])
    ids = [str(pk) for pk in Published.objects.using("users").order_by("added", "id").values_list("pk", flat=True)]
    assert [event["id"] for event in events(queues("billing"))] == ids


def test_events_recorded_meanwhile_are_not_part_of_it(queues, sender, monkeypatch):
    monkeypatch.setattr("messaging.publisher.replay.BATCH_ROWS", 2)
    users(4)
    send_out()
    queues("billing")
    added: list[object] = []

    def meanwhile(done):
        if len(added) < 5:
            added.append(user_register(email=f"late{len(added)}@example.org", name="L"))
            send_out()

    assert replay("users", consumers("billing"), now(), sender=sender, progress=meanwhile).events == 4


def test_positions_are_those_of_now(queues, sender):
    (user,) = users(1)
    send_out()
    (before,) = events(queues("billing"))
    assert before["position"] == 1
    user_suspend(user_id=user.pk, reason="x")
    send_out()
    queues("billing")
    replay("users", consumers("billing"), now(), sender=sender)
    created, suspended = events(queues("billing"))
    assert ("position" in created, suspended["position"]) == (False, 2)


def test_an_unreachable_broker_is_reported_at_once(queues, settings):
    users(1)
    send_out()
    before = statuses()
    settings.MESSAGING = {**settings.MESSAGING, "BROKER_URL": "redis://127.0.0.1:1/0"}
    with pytest.raises(BrokerAway):
        replay("users", consumers("billing"), now(), sender=Sender(app, "users"))
    assert statuses() == before


def test_a_broker_error_ends_a_replay_where_it_is(queues, sender, monkeypatch):
    monkeypatch.setattr("messaging.publisher.replay.BATCH_ROWS", 2)
    users(6)
    send_out()
    queues("billing")
    real, sent = sender.send, list[object]()

    def flaky(*arguments):
        if len(sent) == 2:
            raise BrokerError("out of memory")
        sent.append(arguments)
        real(*arguments)

    monkeypatch.setattr(sender, "send", flaky)
    done = replay("users", consumers("billing"), now(), sender=sender)
    assert (done.events, done.copies) == (4, 4)
    assert "out of memory" in done.broken
    fourth = Published.objects.using("users").order_by("added", "id")[3]
    assert done.reached == fourth.added


@pytest.mark.parametrize("seed", range(5))
def test_the_forecast_is_right(queues, sender, monkeypatch, seed):
    """A random story in which billing lost some messages: the dry run forecasts what the inbox then does."""
    rng = random.Random(seed)
    monkeypatch.setattr("messaging.publisher.payloads.LARGEST_MESSAGE_BYTES", 1500)
    everyone = users(12)
    for _ in range(40):
        user = rng.choice(everyone)
        status = User.objects.using("users").get(pk=user.pk).status
        if status == "erased":
            continue
        if rng.random() < 0.1:
            user_erase(user_id=user.pk)
        elif rng.random() < 0.3:
            user_change_email(user_id=user.pk, email=f"m{rng.random()}@example.org")
        elif status == "active":
            user_suspend(user_id=user.pk, reason="x")
        else:
            user_reactivate(user_id=user.pk)
    send_out()
    arrived = [event for event in events(queues("billing")) if rng.random() < 0.6]
    rng.shuffle(arrived)
    inbox.receive("billing", arrived)

    window, before = now(), counters()
    foretold = replay("users", consumers("billing"), window, sender=None, foretell=outcomes)
    assert counters() == before
    assert queues("billing") == []
    assert foretold.outcomes["duplicate"] == len(arrived)
    assert replay("users", consumers("billing"), window, sender=sender, foretell=outcomes_if_known).outcomes == foretold.outcomes
    for message in queues("billing"):
        inbox.receive("billing", message)
    after = counters()
    assert Counter({name: after[name] - before[name] for name in after}) == foretold.outcomes
    ledger = dict(Ledger.objects.using("users").values_list("aggregate_id", "version"))
    assert {str(row.pk): row.version for row in CachedUser.objects.using("billing").all()} == ledger


def test_an_erased_user_stays_erased(queues, sender):
    (user,) = users(1)
    user_suspend(user_id=user.pk, reason="x")
    user_erase(user_id=user.pk)
    send_out()
    queues("billing")
    replay("users", consumers("billing"), now(), sender=sender)
    again = events(queues("billing"))
    inbox.receive("billing", again[2:])
    inbox.receive("billing", again[:2])
    row = CachedUser.objects.using("billing").get()
    assert (row.status, row.version) == ("erased", 3)


def test_no_forecast_for_a_remote_consumer(queues):
    users(2)
    send_out()
    done = replay("users", consumers("mail"), now(), sender=None, foretell=outcomes)
    assert done.outcomes == Counter({"unknown": 2})


def test_events_that_can_no_longer_be_sent_are_counted(queues):
    began = timezone.now() - timedelta(seconds=5)
    everyone = users(6)
    assert gap("users", consumers("billing"), now(since=began)).missing == 0
    User.objects.using("users").bulk_create([User(email="n@example.org", name="Never had one")])
    send_out()
    rows = list(Published.objects.using("users").order_by("added", "id"))
    Published.objects.using("users").filter(pk__in=[row.pk for row in rows[:3]]).delete()
    user_suspend(user_id=everyone[0].pk, reason="told later, so nothing is missing")
    found = gap("users", consumers("billing"), now(since=began))
    assert (found.missing, found.oldest) == (2, rows[3].added)
    assert gap("users", consumers("billing"), now()).missing == 2
    assert gap("users", consumers("billing"), now(since=rows[3].added)).missing == 0
    assert gap("users", consumers("billing"), now(since=began, subject=str(everyone[1].pk))).missing == 1
    assert gap("users", consumers("billing"), now(since=began, subject=str(everyone[4].pk))).missing == 0
    Published.objects.using("users").all().delete()
    assert gap("users", consumers("billing"), now()).missing == 6
