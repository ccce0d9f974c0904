"""A worker that is told to stop at the worst moment: a pool process has a message in hand and hasn't said so yet."""

import pytest
from django.db.models import Sum
from kombu import Connection

from messaging.models import Subscription
from tests.delivery.test_delivery import PATIENCE, held, wait_until_in_step
from tests.probes import wait_for
from users.services import user_register

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
#: Seconds: less than a container's usual 30 before SIGKILL, and than billiard's own 30.
GRACE = 20


@pytest.fixture
def broker(valkey):
    """On RabbitMQ Celery hears the process out."""
    with Connection(valkey) as connection:
        connection.default_channel.client.flushdb()
    return valkey


def test_it_ends_before_it_would_be_killed_and_the_message_comes_again(stack):
    stack.relay("users")
    stopping = stack.run("stopping", "-m", "tests.delivery.stopping", "worker", "billing")
    user_register(email="ada@example.org", name="Ada")
    wait_until_in_step()
    assert stopping.wait(timeout=GRACE) == 0, stack.tail()
    stack.worker("billing")
    user_register(email="bob@example.org", name="Bob")
    wait_until_in_step()
    broker = stack.environment["CELERY_BROKER_URL"]
    wait_for(lambda: not held(broker), timeout=PATIENCE, what="an empty queue", seen=stack.tail)
    counted = Subscription.objects.using("billing").aggregate(applied=Sum("applied"), duplicate=Sum("duplicate"))
    assert counted == {"applied": 2, "duplicate": 1}
