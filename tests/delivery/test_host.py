"""A host's own tasks, in queues of its own: kombu and Celery do with them what they always do."""

import base64
import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from kombu import Connection, Consumer, Message, Producer, Queue

from messaging.consumer import parked
from messaging.transport import frames, transports
from messaging.transport.queues import queue
from tests.delivery.stack import worker_command
from tests.delivery.test_delivery import PATIENCE


@pytest.fixture
def host(broker):
    """The host's queue, empty, and a connection."""
    transports.install()
    with Connection(broker) as connection:
        bound = Queue("host", durable=True).bind(connection.default_channel)
        bound.declare()
        bound.purge()
        yield connection
        bound.delete()


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a context's"])
def test_a_message_of_a_hosts_is_as_kombu_makes_it(host, beside):
    sent = {"large": base64.b64encode(b"x" * frames.LARGEST_FRAME_BYTES).decode(), "compressed": 1}
    producer = Producer(host.default_channel)
    properties = {"reply_to": "somebody", "correlation_id": "5", "priority": 3}
    producer.publish({"large": sent["large"]}, routing_key="host", exchange="", **properties)
    producer.publish({"compressed": 1}, routing_key="host", exchange="", compression="gzip", **properties)
    taken: list[Message] = []
    queues = [Queue("host", durable=True, no_declare=True), *([queue("billing")] if beside else [])]
    with Consumer(host.default_channel, queues, on_message=taken.append, accept=["json"]):
        while len(taken) < 2:
            host.drain_events(timeout=PATIENCE)
    found = {name: value for message in taken for name, value in message.payload.items()}
    assert found == sent
    for message in taken:
        assert {name: message.properties[name] for name in properties} == properties
        message.reject(requeue=True)
    again: list[Message] = []
    with Consumer(host.default_channel, queues, on_message=again.append, accept=["json"]):
        while len(again) < 2:
            host.drain_events(timeout=PATIENCE)
    for message in again:
        assert message.properties["reply_to"] == "somebody"
        message.ack()


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_hosts_task_runs_and_its_result_goes_back(host, broker, stack, monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", broker)  # Celery prefers it to what is said
    stack.run("host", *worker_command("tests.delivery.host", "billing,host", "host"))
    client = Celery("client", broker=broker, backend="rpc://", set_as_current=False)
    asked = {"queue": "host", "compression": "gzip", "priority": 3}
    assert client.send_task("host.add", (1, 2), **asked).get(timeout=PATIENCE) == 3
    began = datetime.now(UTC)
    later = client.send_task("host.add", (2, 3), eta=began + timedelta(seconds=1), **asked)
    assert later.get(timeout=PATIENCE) == 5
    assert datetime.now(UTC) - began >= timedelta(seconds=1)


def test_what_belongs_to_no_context_of_this_process_comes_back_after_a_pause(monkeypatch):
    paused: list[float] = []
    monkeypatch.setattr(time, "sleep", paused.append)
    assert parked.keep("elsewhere", b"", "no reason") is False
    assert len(paused) == 1
