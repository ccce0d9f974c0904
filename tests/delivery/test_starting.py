"""A worker that can't do its work doesn't start, and says why."""

import pytest

from messaging.models import Consumer
from tests.delivery.test_delivery import PATIENCE

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]


@pytest.mark.parametrize("broker", ["valkey"], indirect=True)
def test_a_worker_that_gets_types_that_nobody_handles_does_not_start(stack):
    types = ["users.user.suspended.v1", "users.user.renamed.v1"]
    Consumer.objects.using("users").filter(name="billing").update(types=types)
    worker = stack.worker("billing")
    assert worker.wait(timeout=PATIENCE) == 3
    said = stack.log.read_text()
    assert ("users.user.renamed.v1" in said, "Traceback" in said) == (True, False)
