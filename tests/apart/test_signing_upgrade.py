"""Signatures come into a running system: processes that sign or check, beside others that don't yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from billing.models import CachedUser
from messaging.models import Parked
from tests.commands.calling import call
from tests.delivery.test_delivery import cache, wait_until_in_step
from tests.probes import wait_for
from users.services import user_register, user_suspend
from walkthrough.control import project_copy

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
PATIENCE = 60
SIGNS = '        headers.update(signing.signed(self.publisher, headers["task"], raw))\n'
CHECKS = "    publishers = signing.check(headers, task, body)\n"
RETURNED = "    return values, publishers\n"


@pytest.fixture
def broker(valkey: str) -> str:
    """One broker is enough here: headers travel on each as they are."""
    with Connection(valkey) as connection:
        connection.default_channel.client.flushdb()
    return valkey


@contextmanager
def without(path: str, *lines: str) -> Iterator[Path]:
    """The version of before: a copy of the project that lacks these lines."""
    with project_copy.copied("yesterday") as project:
        for line in lines:
            project_copy.edit(project, path, line, "")
        yield project


def parked() -> list[str]:
    rows = Parked.objects.using("billing").filter(state="parked", event_type="messaging.deliver")
    return [row.reason.partition(":")[0] for row in rows]


def test_consumers_come_first_and_take_unsigned_messages_for_a_time(stack: Any, settings: Any) -> None:
    stack.environment["ACCEPT_UNSIGNED"] = "users"
    with without("messaging/transport/sender.py", SIGNS) as yesterday:
        stack.run("old-relay", "manage.py", "relay", "users", project=yesterday)
        stack.worker("billing")
        ada = user_register(email="ada@example.org", name="Ada")
        wait_until_in_step()
        assert not Parked.objects.using("billing").exists()

        # Too early: users still has a relay that doesn't sign.
        stack.kill("worker-billing")
        del stack.environment["ACCEPT_UNSIGNED"]
        stack.worker("billing")
        user_suspend(user_id=ada.pk, reason="told by the old relay")
        wait_for(lambda: parked() == ["unsigned"], timeout=PATIENCE, what="an unsigned message to be parked", seen=stack.tail)
        assert cache() == {ada.pk: "active"}
        stack.kill("old-relay")

    stack.relay("users")
    bob = user_register(email="bob@example.org", name="Bob")
    wait_for(lambda: cache().get(bob.pk) == "active", timeout=PATIENCE, what="what the new relay signed", seen=stack.tail)
    assert call("parked", "retry", "billing", "--type", "messaging.deliver").code == 1  # it still is nobody's
    settings.MESSAGING = {**settings.MESSAGING, "ACCEPT_UNSIGNED": ["users"]}
    assert call("parked", "retry", "billing", "--type", "messaging.deliver").code == 0
    wait_until_in_step()
    assert set(CachedUser.objects.using("billing").values_list("source", flat=True)) == {"event"}


def test_a_consumer_of_before_reads_what_is_signed(stack: Any) -> None:
    with without("messaging/consumer/incoming.py", CHECKS) as yesterday:
        project_copy.edit(yesterday, "messaging/consumer/incoming.py", RETURNED, '    return values, ["users"]\n')
        stack.run("old-worker", "manage.py", "worker", "billing", project=yesterday)
        stack.relay("users")
        user_register(email="ada@example.org", name="Ada")
        wait_until_in_step()
        assert not Parked.objects.using("billing").exists()
        stack.close()
