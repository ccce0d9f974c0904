"""The type of a queue on RabbitMQ: messages arrive by both, and a queue that stands there with another is a sentence."""

import pytest
from kombu import Connection, Exchange, Queue

from messaging.transport import queues
from tests.delivery.conftest import RABBITMQ
from tests.delivery.test_delivery import PATIENCE, wait_until_in_step
from tests.probes import wait_for
from users.services import user_register, user_suspend

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("registered"),
    pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True),
]


@pytest.fixture
def anew(broker):
    """Deletes billing's queue and declares it with these arguments; afterwards it is as other tests want it."""

    def declare(arguments):
        with Connection(broker) as connection, connection.channel() as channel:
            queues.queue("billing").bind(channel).delete()
            if arguments is not None:
                old = Queue("billing", exchange=Exchange(""), routing_key="billing", durable=True, queue_arguments=arguments)
                old.bind(channel).queue_declare()

    yield declare
    declare(None)


@pytest.fixture
def stack(stack, anew):
    """Processes end before the queue is deleted."""
    yield stack
    stack.close()


def test_events_arrive_through_a_quorum_queue(stack, anew):
    anew(None)
    stack.environment["QUEUE_TYPE"] = "quorum"
    stack.worker("billing")
    stack.relay("users")
    ada = user_register(email="ada@example.org", name="Ada")
    wait_until_in_step()
    user_suspend(user_id=ada.pk, reason="test")
    wait_until_in_step()
    with Connection(RABBITMQ) as connection, connection.channel() as channel:
        queues.queue("billing", "quorum").bind(channel).queue_declare()  # with its arguments, or it raises


def test_the_last_releases_untyped_queue_goes_on(stack, anew):
    anew({})
    stack.worker("billing")
    stack.relay("users")
    user_register(email="ada@example.org", name="Ada")
    wait_until_in_step()


@pytest.mark.parametrize(("there", "wanted"), [("quorum", "classic"), ("classic", "quorum"), (None, "quorum")])
def test_a_queue_of_another_type_is_one_sentence_of_worker_and_relay(stack, anew, there, wanted):
    anew({"x-queue-type": there} if there else {})
    stack.environment["QUEUE_TYPE"] = wanted
    sentence = f"The queue billing exists with another type than {wanted}."
    worker = stack.worker("billing")
    assert worker.wait(timeout=PATIENCE) == 3
    said = stack.log.read_text()
    assert (said.count(sentence), "Traceback" in said) == (1, False)
    user_register(email="ada@example.org", name="Ada")
    once = stack.manage("relay", "users", "--once")
    assert once.wait(timeout=PATIENCE) == 3
    said = stack.log.read_text()
    assert (said.count(sentence), "Traceback" in said) == (2, False)
    relay = stack.relay("users")
    wait_for(lambda: stack.log.read_text().count(sentence) == 3, timeout=PATIENCE, what="the relay to say it", seen=stack.tail)
    anew(None)  # as the sentence says
    stack.worker("billing")
    wait_until_in_step()
    assert relay.poll() is None
