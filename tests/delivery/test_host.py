"""A host with Celery of its own, on the broker of ours: each does its own work, and touches nothing of the other's."""

import json
import time
from contextlib import contextmanager

import pytest
from celery import Celery
from kombu import Connection, Producer
from kombu.utils.json import dumps

from messaging.consumer import parked
from messaging.models import Parked
from messaging.transport.broker import UNACKED, UNACKED_INDEX
from tests.delivery.host_queues import QUEUES
from tests.delivery.test_delivery import PATIENCE, cache, wait_until_in_step
from tests.probes import wait_for
from users.services import user_register

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
#: How often a message of ours comes back while the host's task runs. Each time, a worker of ours gave back what was overdue.
ROUNDS = 3


@pytest.fixture
def host(stack, broker, valkey, tmp_path, monkeypatch):
    """A client of the host's app, whose queues are empty. All processes run with the host's settings, on one broker."""
    monkeypatch.delenv("CELERY_BROKER_URL")  # Celery prefers it to what an app says
    stack.environment |= {
        "DJANGO_SETTINGS_MODULE": "tests.delivery.host_settings",
        "CELERY_BROKER_URL": broker,
        "OUR_BROKER_URL": broker,
        "HOST_RESULTS_URL": valkey,
        "HOST_FAILS": str(tmp_path / "fails"),
    }
    client = Celery("client", broker=broker, backend=valkey, set_as_current=False)
    client.conf.update(task_queues=list(QUEUES.values()))
    with with_queues(broker):
        yield client
        stack.close()


@contextmanager
def with_queues(broker):
    """The host's queues on a broker, empty."""
    with Connection(broker) as connection:
        bound = [queue.bind(connection.default_channel) for queue in QUEUES.values()]
        for queue in bound:
            queue.declare()
            queue.purge()
        yield
        for queue in bound:
            queue.delete()


def host_worker(stack, queue):
    return stack.run("host", "-m", "celery", "-A", "tests.delivery.host", "worker", "-Q", queue, "-c", "1", "-l", "INFO")


def waiting(broker, name):
    """The messages in a queue of the host's."""
    with Connection(broker) as connection:
        bound = QUEUES[name].bind(connection.default_channel)
        found = []
        while (message := bound.get()) is not None:
            found.append(message)
        for message in found:
            message.requeue()
        return [(message.headers["task"], list(message.payload[0])) for message in found]


def test_nothing_of_a_hosts_is_delivered_again_taken_expired_or_purged(host, broker, stack, tmp_path):
    started, end = tmp_path / "started", tmp_path / "end"
    host_worker(stack, "host")
    end.touch()
    stored = host.send_task("host.long", (str(tmp_path / "earlier"), str(end)), queue="host")
    assert stored.get(timeout=PATIENCE) == "done"
    end.unlink()
    running = host.send_task("host.long", (str(started), str(end)), queue="host")
    host.send_task("host.nobody_knows_it", ("yet",), queue="later")
    wait_for(started.exists, timeout=PATIENCE, what="the host's task to begin", seen=stack.tail)

    stack.worker("billing", "users")
    stack.relay("users")
    stack.manage("scheduler")
    ada = user_register(email="ada@example.org", name="Ada")
    wait_until_in_step()
    for number in range(ROUNDS if broker.startswith("redis") else 0):
        comes_back(broker, number)
        wait_for(lambda: parked_as() == number + 1, timeout=PATIENCE, what="an overdue message of ours", seen=stack.tail)  # noqa: B023

    assert cache() == {ada.pk: "active"}
    assert waiting(broker, "later") == [("host.nobody_knows_it", ["yet"])]
    assert (started.read_text().split(), waiting(broker, "host")) == (["started"], [])
    end.touch()
    assert running.get(timeout=PATIENCE) == "done"
    assert started.read_text().split() == ["started"]
    assert stored.get(timeout=PATIENCE) == "done"


def comes_back(broker, number):
    """Plant a message that a worker of ours took and never acknowledged. It isn't a task, so it is parked when it comes back."""
    payload = {"body": f"number {number}", "headers": {}, "properties": {"delivery_info": {}}}
    with Connection(broker) as connection:
        client = connection.default_channel.client
        client.hset(UNACKED, f"planted-{number}", dumps([payload, "", "billing"]))
        client.zadd(UNACKED_INDEX, {f"planted-{number}": time.time()})


def parked_as():
    return Parked.objects.using("billing").filter(reason__startswith="Not opened").count()


def test_a_handlers_task_goes_to_the_hosts_broker(host, broker, stack, valkey, tmp_path):
    """From a handler and from its thread, at the first try and at a retry. The host's broker is another database of the server."""
    elsewhere = f"{valkey}?virtual_host=1" if valkey.startswith("redis+socket") else f"{valkey.rpartition('/')[0]}/1"
    stack.environment["CELERY_BROKER_URL"] = elsewhere
    stack.worker("billing")
    stack.relay("users")
    stack.manage("scheduler")
    with with_queues(elsewhere):
        mails_arrive(broker, elsewhere, stack, tmp_path / "fails")


def mails_arrive(broker, elsewhere, stack, fails):
    ada = user_register(email="ada@example.org", name="Ada")
    wait_for(lambda: len(waiting(elsewhere, "mails")) == 2, timeout=PATIENCE, what="Ada's mails", seen=stack.tail)
    fails.touch()
    bob = user_register(email="bob@example.org", name="Bob")
    wait_for(lambda: len(waiting(elsewhere, "mails")) == 4, timeout=PATIENCE, what="Bob's mails", seen=stack.tail)
    expected = [("host.mail", [text, str(user.pk)]) for user in (ada, bob) for text in ("from its thread", "from the handler")]
    assert sorted(waiting(elsewhere, "mails")) == sorted(expected)
    assert waiting(broker, "mails") == []
    assert [row.subject for row in Parked.objects.using("billing").all()] == [str(bob.pk)]


def test_a_hosts_task_in_a_contexts_queue_is_not_run(host, broker, stack):
    """Its own shared tasks are on every app, but the sender of such a message isn't verified."""
    stack.worker("billing")
    with Connection(broker) as connection:
        message = host.amqp.as_task_v2("1", "host.mail", args=("forged",))
        Producer(connection.default_channel).publish(
            json.loads(json.dumps(message.body)), routing_key="billing", exchange="", headers=message.headers, serializer="json"
        )
    reasons = lambda: [row.reason for row in Parked.objects.using("billing").all()]  # noqa: E731
    wait_for(reasons, timeout=PATIENCE, what="the message to be parked", seen=stack.tail)
    assert reasons() == ["This worker knows no task 'host.mail'."]


def test_a_hosts_worker_on_a_contexts_queue_is_refused(host, broker, stack):
    """Celery throws away a message whose task the app doesn't know."""
    assert host_worker(stack, "billing").wait(timeout=PATIENCE) == 3, stack.tail()
    assert (
        "The queue billing belongs to messaging, which has a Celery app of its own. Run: manage.py worker billing" in stack.tail()
    )


def test_what_belongs_to_no_context_of_this_process_comes_back_after_a_pause(monkeypatch):
    paused: list[float] = []
    monkeypatch.setattr(time, "sleep", paused.append)
    assert parked.keep("elsewhere", b"", "no reason") is False
    assert len(paused) == 1
