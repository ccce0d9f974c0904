"""From a service to the other context's database: real databases, a real broker, real processes that are really killed."""

import json
import random
import uuid
from collections import Counter
from typing import Any

import pytest
from celery import Celery, current_app
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction
from django_outbox_pattern.models import Published, Received
from kombu import Connection, Producer

from billing.models import CachedUser, Invoice
from billing.services import invoice_mark_overdue, invoices_generate
from config.broker import IN_HAND
from messaging.models import Parked, Subscription
from messaging.transport import keys, signing
from messaging.transport.queues import DELIVER, HEARTBEAT, queue
from messaging.transport.sender import Sender, Signer
from tests.probes import wait_for
from users.models import User
from users.services import user_erase, user_reactivate, user_register, user_suspend, users_announce_created

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
PATIENCE = 60


def cache():
    return {row.pk: row.status for row in CachedUser.objects.using("billing").all()}


def authority():
    return {row.pk: row.status for row in User.objects.using("users").all()}


def in_step():
    return cache() == authority() and not Published.objects.using("users").filter(status=1).exists()


def difference():
    ours, theirs = cache(), authority()
    wrong = [key for key in theirs if ours.get(key) != theirs[key]]
    waiting = Published.objects.using("users").filter(status=1).count()
    return f"{len(wrong)} of {len(theirs)} users differ; {waiting} events wait in the outbox"


def wait_until_in_step(timeout=PATIENCE):
    wait_for(in_step, timeout=timeout, what="billing's cache to equal the authority", seen=difference)


def test_a_suspension_reaches_billing_and_an_overdue_invoice_suspends(stack):
    for context in ("users", "billing"):
        stack.relay(context)
        stack.worker(context)
    ada = user_register(email="ada@example.org", name="Ada")
    bob = user_register(email="bob@example.org", name="Bob")
    wait_until_in_step()
    user_suspend(user_id=bob.pk, reason="test")
    wait_until_in_step()
    assert invoices_generate(period="2026-11").issued == 1
    assert invoices_generate(period="2026-11").issued == 0
    invoice = Invoice.objects.using("billing").get()
    assert invoice.user_id == ada.pk
    invoice_mark_overdue(invoice_id=invoice.pk)
    wait_for(lambda: cache()[ada.pk] == "suspended", timeout=PATIENCE, what="the overdue user to be suspended", seen=cache)
    overdue = Published.objects.using("billing").get(destination="billing.invoice.overdue.v1")
    suspended = Published.objects.using("users").filter(destination="users.user.suspended.v1").latest("added")
    assert suspended.body["causationid"] == str(overdue.pk)
    assert suspended.body["correlationid"] == overdue.body["correlationid"]


RELAY_STEPS = ["relay.stamped", "relay.claimed", "relay.sent", "relay.before_commit", "relay.committed"]
INBOX_STEPS = ["inbox.deduplicated", "inbox.handled", "inbox.before_commit", "inbox.committed"]


@pytest.mark.parametrize("step", RELAY_STEPS)
def test_a_relay_killed_between_two_steps_loses_nothing(stack, step):
    users = [user_register(email=f"u{n}@example.org", name="U") for n in range(5)]
    doomed = stack.relay("users", kill_at=f"{step}:1")
    assert doomed.wait(timeout=PATIENCE) == -9
    user_suspend(user_id=users[0].pk, reason="meanwhile")
    stack.relay("users")
    stack.worker("billing")
    wait_until_in_step()
    assert not Parked.objects.using("billing").exists()


@pytest.mark.parametrize("step", INBOX_STEPS)
def test_a_worker_killed_between_two_steps_loses_nothing(stack, step):
    stack.worker("billing", kill_at=f"{step}:1")  # its pool child dies, is replaced, and dies no more: the count is per process
    for number in range(5):
        user_register(email=f"u{number}@example.org", name="U")
    stack.relay("users")
    wait_for(lambda: "SIGKILL" in stack.log.read_text(), timeout=PATIENCE, what="the worker's child to be killed", seen=stack.tail)
    stack.kill("worker-billing")
    stack.worker("billing")
    wait_until_in_step()
    assert Received.objects.using("billing").count() == 5
    assert not Parked.objects.using("billing").exists()


@pytest.mark.parametrize("broker", ["valkey"], indirect=True)
def test_a_worker_killed_between_taking_a_message_and_noting_it_loses_nothing(stack):
    doomed = stack.worker("billing", kill_at="redis.fetched:1")
    user_register(email="ada@example.org", name="Ada")
    stack.relay("users")
    assert doomed.wait(timeout=PATIENCE) == -9
    stack.kill("worker-billing")
    stack.worker("billing")
    wait_until_in_step()


def test_five_thousand_events_survive_random_kills(stack):
    chance = random.Random(5)
    users = [User(email=f"many{n}@example.org", name="Many") for n in range(2500)]
    for start in range(0, len(users), 500):
        with transaction.atomic(using="users"):
            User.objects.using("users").bulk_create(users[start : start + 500])
            users_announce_created(users[start : start + 500])
    start_all = {"relay-users": lambda: stack.relay("users"), "worker-billing": lambda: stack.worker("billing")}
    for begin in start_all.values():
        begin()
    for number in range(2500):
        user = users[number]
        if number % 5 == 0:
            user_erase(user_id=user.pk)
        else:
            user_suspend(user_id=user.pk, reason="x")
        if number % 400 == 399:
            victim = chance.choice(sorted(start_all))
            stack.kill(victim)
            start_all[victim]()
    wait_until_in_step(timeout=120)
    assert Published.objects.using("users").filter(status=2).count() == 5000
    wait_for(
        lambda: Received.objects.using("billing").count() == 5000,
        timeout=PATIENCE,
        what="every event to be in the inbox once",
        seen=lambda: Received.objects.using("billing").count(),
    )
    assert not Parked.objects.using("billing").exists()
    assert invoices_generate(period="2026-11").issued == 0


def test_what_is_no_event_is_parked_and_what_is_behind_it_arrives(stack, broker):
    with Connection(broker) as connection, connection.channel() as channel:
        for body, headers, kind in (
            (b"\xff not json", {"task": "messaging.deliver", "id": "1"}, "application/json"),
            (b"[[], {}, {}]", {"task": "nobody.knows", "id": "2"}, "application/json"),
            (b"plain words", {}, "text/plain"),
            (
                b'[[], {"consumer": "billing", "events": ["junk"]}, {}]',
                {"task": "messaging.deliver", "id": "3"},
                "application/json",
            ),
            (b'[[], {"consumer": "nobody", "events": []}, {}]', {"task": "messaging.deliver", "id": "4"}, "application/json"),
        ):
            Producer(channel).publish(
                body, routing_key="billing", exchange="", headers=signed(headers, body), content_type=kind, content_encoding="utf-8"
            )
    user = user_register(email="behind@example.org", name="Behind")
    stack.relay("users")
    stack.worker("billing")
    wait_until_in_step()
    assert cache() == {user.pk: "active"}
    parked = Parked.objects.using("billing").filter(state="parked")
    wait_for(
        lambda: parked.count() == 5,
        timeout=PATIENCE,
        what="five messages to be parked",
        seen=lambda: list(parked.values("reason", "raw")),
    )


def signed(headers, body):
    """The headers as users' relay would send them with this body."""
    return {**headers, **signing.signed("users", headers.get("task", ""), body)}


DEEP = "[" * 510 + "]" * 510
DEEPEST = "[" * 3000 + "]" * 3000


@pytest.mark.parametrize("broker", ["valkey"], indirect=True)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"task": "messaging.deliver", "id": "1"}, f'[[], {{"consumer": "billing", "events": [{DEEP}]}}, {{}}]'),
        ({"task": "messaging.deliver", "id": "2"}, f'[[], {{"consumer": "billing", "events": [{DEEPEST}]}}, {{}}]'),
        ({"task": "messaging.deliver", "id": "3"}, f'{{"args": [], "kwargs": {{"consumer": "billing", "events": [{DEEP}]}}}}'),
        ({"task": "messaging.heartbeat", "id": "4"}, f'{{"args": [{DEEP}], "kwargs": {{}}}}'),
        ({"task": "messaging.deliver", "id": "5", "x": json.loads(DEEP)}, "[[], {}, {}]"),
    ],
    ids=["an event", "too deep to be decoded", "the first protocol", "another task", "a header"],
)
def test_a_deeply_nested_message_is_parked_and_what_is_behind_it_arrives(stack, broker, headers, body):
    with Connection(broker) as connection, connection.channel() as channel:
        Producer(channel).publish(
            body.encode(),
            routing_key="billing",
            exchange="",
            headers=signed(headers, body.encode()),
            content_type="application/json",
            content_encoding="utf-8",
        )
    worker = stack.worker("billing")
    user = user_register(email="behind@example.org", name="Behind")
    stack.relay("users")
    wait_until_in_step()
    assert cache() == {user.pk: "active"}
    assert worker.poll() is None
    assert Parked.objects.using("billing").get().state == "parked"
    wait_for(lambda: not held(broker), timeout=PATIENCE, what="every message to be acknowledged", seen=lambda: held(broker))


def held(broker):
    """What the broker keeps for billing's worker: the queue, what is being fetched, and what nobody acknowledged."""
    with Connection(broker) as connection:
        client = connection.default_channel.client
        return client.lrange("billing", 0, -1) + client.lrange("billing.fetching", 0, -1) + list(client.hvals(IN_HAND[0]))


def test_two_relays_and_two_workers_share_the_work(stack):
    users = [user_register(email=f"u{n}@example.org", name="U") for n in range(20)]
    for _ in range(2):
        stack.relay("users")
        stack.processes[uuid.uuid4().hex] = stack.processes.pop("relay-users")
        stack.worker("billing")
        stack.processes[uuid.uuid4().hex] = stack.processes.pop("worker-billing")
    for _ in range(3):
        for user in users:
            user_suspend(user_id=user.pk, reason="x")
            user_reactivate(user_id=user.pk)
    versions = lambda: Counter(CachedUser.objects.using("billing").values_list("version", flat=True))  # noqa: E731
    wait_for(lambda: versions() == {7: len(users)}, timeout=PATIENCE, what="every copy at version 7", seen=versions)
    wait_until_in_step()
    assert versions() == {7: len(users)}


@pytest.mark.parametrize("broker", ["valkey"], indirect=True)  # elsewhere nobody can put in what isn't a message
def test_what_is_no_message_in_the_list_is_parked_and_what_is_behind_it_arrives(stack, broker):
    items = [b"plain words", b"\xff\x00", b"{}", b'{"properties": 1}', DEEPEST.encode()]
    with Connection(broker) as connection:
        for item in items:
            connection.default_channel.client.lpush("billing", item)
    user = user_register(email="behind@example.org", name="Behind")
    stack.relay("users")
    worker = stack.worker("billing")
    wait_until_in_step()
    assert cache() == {user.pk: "active"}
    parked = Parked.objects.using("billing").filter(state="parked")
    wait_for(lambda: parked.count() == len(items), timeout=PATIENCE, what="all of them to be parked", seen=parked.count)
    assert worker.poll() is None


WHENS: dict[str, list[Any]] = {
    "eta": ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "9000-01-01T00:00:00+00:00", "2030-01-01T00:00:00", "never"],
    "timelimit": [[0.001, None], [None, 0.001]],
    "expires": ["2020-01-01T00:00:00+00:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"],
}


def test_no_time_in_a_messages_headers_loses_it_or_holds_it_back(stack, broker):
    """Celery drops a message whose time can't be reckoned with, and one that expired; here it is delivered, or parked."""
    whens = [(name, text) for name, texts in WHENS.items() for text in texts]
    users = [user_register(email=f"{number}@example.org", name="U") for number in range(len(whens))]
    recorded = {row.body["subject"]: row.body for row in Published.objects.using("users").all()}
    with Connection(broker) as connection:
        producer = Signer(connection.default_channel)
        producer.publisher = "users"
        for user, (name, text) in zip(users, whens, strict=True):
            message = current_app.amqp.as_task_v2(
                str(uuid.uuid4()), DELIVER, kwargs={"consumer": "billing", "events": [recorded[str(user.pk)]]}
            )
            producer.publish(
                message.body,
                routing_key="billing",
                headers={**message.headers, name: text},
                serializer="json",
                **message.properties,
            )
    stack.worker("billing")
    kept = lambda: len(cache()) + Parked.objects.using("billing").filter(state="parked").count()  # noqa: E731
    wait_for(lambda: kept() == len(whens), timeout=PATIENCE, what="each message to be delivered or parked", seen=kept)
    assert len(cache()) >= len(whens) - 1  # "never" is no time, so that message is no task


def test_forged_altered_and_replayed_messages_do_no_harm(stack, broker):
    """What somebody can do who may write to billing's queue, and read what is there."""
    ada = user_register(email="ada@example.org", name="Ada")
    user_suspend(user_id=ada.pk, reason="test")
    sender = Sender(app_on(broker), "users")
    genuine = [row.body for row in Published.objects.using("users").order_by("added")]
    sender.send("billing", "billing", genuine)
    sender.close()
    with Connection(broker) as connection:
        message = queue("billing").bind(connection.default_channel).get(no_ack=True)
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        headers = message.headers
        lie = body.replace(b'"suspended"', b'"active"').replace(b'"aggregateversion": 2', b'"aggregateversion": 3')
        # What stands there Celery would take for words of its own about the message.
        named = lie.replace(b'"chord": null}]', b'"chord": null, "verified": "users"}]')
        for event in genuine:
            named = named.replace(event["id"].encode(), str(uuid.uuid4()).encode())
        assert len({body, lie, named}) == 3
        unsigned = {name: value for name, value in headers.items() if name not in ("publisher", "signature")}
        foreign = Ed25519PrivateKey.generate().sign(signing.covered("users", DELIVER, lie))
        future = b'[[], {"consumer": "billing", "authority": "users", "head": 999999, "at": "2099-01-01T00:00:00+00:00"}, {}]'
        put = [
            (body, headers),
            (body, headers),
            (body, headers),
            (lie, unsigned),
            (lie, {**unsigned, "verified": "users"}),
            (lie, headers),
            (lie, {**headers, "signature": keys.text(foreign)}),
            (lie, {**headers, "publisher": "mallory"}),
            (lie, {**headers, **signing.signed("billing", DELIVER, lie)}),
            (named, {**headers, **signing.signed("billing", DELIVER, named)}),
            (body + b" " * signing.LARGEST_BODY_BYTES, headers),
            (future, {**headers, "task": HEARTBEAT}),
            (future, {**unsigned, "task": HEARTBEAT}),
        ]
        for number, (content, around) in enumerate(put):
            Producer(connection.default_channel).publish(
                content,
                routing_key="billing",
                headers={**around, "id": str(number)},
                content_type="application/json",
                content_encoding="utf-8",
                correlation_id=str(number),
            )
    worker = stack.worker("billing")
    behind = user_register(email="behind@example.org", name="Behind")
    Published.objects.using("users").filter(body__subject=str(ada.pk)).delete()  # it has gone out, by hand
    stack.relay("users")
    wait_until_in_step()
    assert cache() == {ada.pk: "suspended", behind.pk: "active"}
    reasons = lambda: sorted(row.reason.partition(":")[0] for row in Parked.objects.using("billing").all())  # noqa: E731
    expected = ["Forged"] * 4 + ["bad signature"] * 3 + ["too large"] + ["unknown publisher"] + ["unsigned"] * 3
    wait_for(lambda: reasons() == expected, timeout=PATIENCE, what="the forgeries to be parked", seen=reasons)
    told = Subscription.objects.using("billing").get(pk="users")
    assert (told.applied, told.obsolete, told.duplicate) == (2, 1, 4)  # both events of Ada in one message: the newest counts
    assert told.head < 999_999
    assert worker.poll() is None


def app_on(broker):
    """A Celery app that sends there."""
    app = Celery(set_as_current=False)
    app.conf.update(broker_write_url=broker, task_serializer="json")
    return app
