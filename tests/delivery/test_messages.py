"""What is no message, no event, or none of a publisher's: it is parked, and what is behind it arrives. It is the brokers that bring
it, so this runs where both of them are."""

import json
import uuid
from typing import Any

import pytest
from celery import Celery
from django_outbox_pattern.models import Published
from kombu import Connection, Producer

from messaging.celery import app
from messaging.models import Parked, Subscription
from messaging.transport import signing
from messaging.transport.queues import DELIVER, HEARTBEAT, queue
from messaging.transport.sender import Sender, Signer
from tests.delivery.test_delivery import PATIENCE, cache, held, wait_until_in_step
from tests.probes import wait_for
from tests.signing import needs_signing
from users.services import user_register, user_suspend

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]


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
#: Message to its headers and body.
NESTED: dict[str, tuple[dict[str, Any], str]] = {
    "an event": ({"task": "messaging.deliver"}, f'[[], {{"consumer": "billing", "events": [{DEEP}]}}, {{}}]'),
    "too deep to be decoded": ({"task": "messaging.deliver"}, f'[[], {{"consumer": "billing", "events": [{DEEPEST}]}}, {{}}]'),
    "the first protocol": (
        {"task": "messaging.deliver"},
        f'{{"args": [], "kwargs": {{"consumer": "billing", "events": [{DEEP}]}}}}',
    ),
    "another task": ({"task": "messaging.heartbeat"}, f'{{"args": [{DEEP}], "kwargs": {{}}}}'),
    "a header": ({"task": "messaging.deliver", "x": json.loads(DEEP)}, "[[], {}, {}]"),
}


@pytest.mark.parametrize("broker", ["valkey"], indirect=True)
def test_a_deeply_nested_message_is_parked_and_what_is_behind_it_arrives(stack, broker):
    worker = stack.worker("billing")
    stack.relay("users")
    for number, (name, (headers, body)) in enumerate(NESTED.items(), start=1):
        with Connection(broker) as connection, connection.channel() as channel:
            Producer(channel).publish(
                body.encode(),
                routing_key="billing",
                exchange="",
                headers=signed({**headers, "id": name}, body.encode()),
                content_type="application/json",
                content_encoding="utf-8",
            )
        user_register(email=f"behind{number}@example.org", name="Behind")
        wait_until_in_step()
        assert list(cache().values()) == ["active"] * number
        assert worker.poll() is None, name
        assert [row.state for row in Parked.objects.using("billing").all()] == ["parked"] * number, name
        wait_for(lambda: not held(broker), timeout=PATIENCE, what="every message to be acknowledged", seen=lambda: held(broker))


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
            message = app.amqp.as_task_v2(
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


@needs_signing
def test_forged_altered_and_replayed_messages_do_no_harm(stack, broker):
    """What somebody can do who may write to billing's queue, and read what is there."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from messaging.transport import ed25519, keys

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
        foreign = Ed25519PrivateKey.generate().sign(ed25519.covered("users", DELIVER, lie))
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
    told = Subscription.objects.using("billing").get(authority="users")
    assert (told.applied, told.obsolete, told.duplicate) == (2, 1, 4)  # both events of Ada in one message: the newest counts
    assert told.head < 999_999
    assert worker.poll() is None


def app_on(broker):
    """A Celery app that sends there."""
    app = Celery(set_as_current=False)
    app.conf.update(broker_write_url=broker, task_serializer="json")
    return app
