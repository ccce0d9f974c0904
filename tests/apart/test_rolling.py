"""A rolling upgrade across a change of contract: processes of two versions of the code on one broker, and nothing is lost.

Today's version is this one. Tomorrow's is a copy of the project, changed as chapter 10 of the walkthrough changes it: `users` tells
a suspension in version 2 too (with another name for a field), and `billing` knows version 2 and lifts version 1 to it. No `tend`
runs, so what arrives has come by events.
"""

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum
from django_outbox_pattern.models import Published
from kombu import Connection

from billing.models import CachedUser
from messaging.database.outbox_pattern import WAITING
from messaging.models import Consumer, Parked, Subscription
from tests.delivery.test_delivery import held, wait_until_in_step
from tests.probes import wait_for
from users.models import User
from users.seeding import demo_users, save
from users.services import user_suspend
from walkthrough.chapters.c10_contract.steps import NEWER_BILLING, NEWER_USERS
from walkthrough.control import project_copy

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
V1, V2 = "users.user.suspended.v1", "users.user.suspended.v2"
PATIENCE = 60
#: In the log once for each worker of billing that takes messages.
READY = f"billing@{socket.gethostname()} ready."


@pytest.fixture
def broker(valkey: str) -> str:
    """One broker is enough here: versions differ in what messages hold."""
    with Connection(valkey) as connection:
        connection.default_channel.client.flushdb()
    return valkey


class Rolling:
    """Both versions' processes. `people`: active users, of whom each step suspends some."""

    def __init__(self, stack: Any, tomorrow: Path) -> None:
        self.stack, self.tomorrow = stack, tomorrow
        save(demo_users(40), with_events=True)
        self.people = iter(User.objects.using("users").filter(status="active").order_by("id"))
        self.suspended: list[User] = []

    def some(self) -> list[User]:
        chosen = [next(self.people) for _ in range(5)]
        self.suspended += chosen
        return chosen

    def suspend_today(self) -> None:
        for user in self.some():
            user_suspend(user_id=user.pk, reason="by today's version")

    def suspend_tomorrow(self) -> None:
        ids = [str(user.pk) for user in self.some()]
        code = (
            f"from users.services import user_suspend\nfor user in {ids}: user_suspend(user_id=user, reason='by the next version')"
        )
        self.manage("shell", "-v0", "-c", code)

    def manage(self, *arguments: str, project: Path | None = None) -> None:
        """A command of tomorrow's version, or of another one."""
        process = self.stack.run("command", "manage.py", *arguments, project=project or self.tomorrow)
        assert process.wait(timeout=60) == 0, self.stack.tail()

    def newer_worker(self) -> None:
        """Start tomorrow's worker on billing's queue; back when it takes messages."""
        said = self.stack.log.read_text(errors="replace").count(READY)
        self.stack.run("newer-worker", "manage.py", "worker", "billing", project=self.tomorrow)
        ready = lambda: self.stack.log.read_text(errors="replace").count(READY) > said  # noqa: E731
        wait_for(ready, timeout=PATIENCE, what="tomorrow's worker to be there", seen=self.stack.tail)

    def newer_relay(self) -> None:
        self.stack.run("newer-relay", "manage.py", "relay", "users", project=self.tomorrow)

    def leave(self, name: str) -> None:
        """A process ends as a deployment ends it: SIGTERM, and the time to finish what it has in hand."""
        process = self.stack.processes.pop(name)
        process.terminate()
        process.wait(timeout=30)

    def register(self, *types: str) -> None:
        """What billing gets from now on, as its own version registers it."""
        self.manage(
            "consumers", "register", "billing", "--to", "users", project=self.tomorrow if V2 in types else project_copy.ROOT
        )
        assert {wire for wire in Consumer.objects.using("users").get(name="billing").types if "suspended" in wire} == set(types)

    def all_sent(self) -> None:
        unsent = Published.objects.using("users").filter(status=WAITING)
        wait_for(lambda: not unsent.exists(), timeout=PATIENCE, what="the relay to send everything", seen=unsent.count)

    def nothing_is_lost(self, twice: int) -> None:
        """Every change arrived by an event and counted once; `twice` of them were told in both versions to who reads both."""
        wait_until_in_step()
        count = lambda: told()["applied"] + told()["obsolete"]  # noqa: E731
        changes = User.objects.using("users").count() + len(self.suspended)
        wait_for(lambda: count() >= changes + twice, timeout=PATIENCE, what="the second tellings to arrive", seen=told)
        assert set(CachedUser.objects.using("billing").values_list("source", flat=True)) == {"event"}
        rows = CachedUser.objects.using("billing").filter(pk__in=[user.pk for user in self.suspended])
        assert set(rows.values_list("status", flat=True)) == {"suspended"}
        assert told() == {"applied": changes, "obsolete": twice}


def told() -> dict[str, int]:
    counted = (
        Subscription.objects.using("billing").filter(authority="users").aggregate(applied=Sum("applied"), obsolete=Sum("obsolete"))
    )
    return {name: value or 0 for name, value in counted.items()}


def parked() -> Sequence[str]:
    rows = Parked.objects.using("billing").filter(state__in=["parked", "retrying"])
    return sorted(rows.values_list("event_type", flat=True))


@pytest.fixture
def rolling(stack: Any) -> Iterator[Rolling]:
    with project_copy.copied("tomorrow") as project:
        for edit in (*NEWER_USERS, *NEWER_BILLING):
            project_copy.edit(project, edit.path, edit.old, edit.new)
        yield Rolling(stack, project)
        stack.close()


def test_the_consumer_first_beside_the_old_one_then_the_publisher(rolling: Rolling) -> None:
    rolling.stack.relay("users")
    rolling.stack.worker("billing")
    wait_until_in_step()  # so that no message tells two changes of one user, of which only the newest is applied
    rolling.suspend_today()
    rolling.newer_worker()  # both versions take from one queue
    rolling.suspend_today()
    rolling.leave("worker-billing")
    rolling.register(V1, V2)
    rolling.suspend_today()  # version 1 alone, to a consumer that lifts it
    rolling.suspend_tomorrow()  # both versions, by today's relay
    rolling.leave("relay-users")
    rolling.newer_relay()
    rolling.suspend_today()
    rolling.suspend_tomorrow()
    rolling.nothing_is_lost(twice=10)
    assert parked() == []


def test_the_publisher_first_and_a_consumer_that_follows_later(rolling: Rolling) -> None:
    rolling.stack.worker("billing")
    rolling.newer_relay()
    wait_until_in_step()
    rolling.suspend_tomorrow()  # both versions are recorded; today's billing gets the one that it registered for
    rolling.suspend_today()
    rolling.nothing_is_lost(twice=0)
    assert parked() == []
    rolling.newer_worker()
    rolling.leave("worker-billing")
    rolling.register(V1, V2)
    rolling.suspend_tomorrow()
    rolling.nothing_is_lost(twice=5)
    assert parked() == []


def test_a_consumer_that_goes_back_parks_what_it_can_t_read_and_has_it_all_the_same(rolling: Rolling) -> None:
    rolling.newer_relay()
    rolling.newer_worker()
    rolling.register(V1, V2)
    wait_until_in_step()
    rolling.leave("newer-worker")
    rolling.suspend_tomorrow()
    rolling.all_sent()  # so version 2 waits in the queue of a consumer that won't know it
    rolling.register(V1)
    rolling.stack.worker("billing")
    rolling.nothing_is_lost(twice=0)
    wait_for(lambda: parked() == [V2] * 5, timeout=PATIENCE, what="version 2 to be parked", seen=parked)
    wait_for(lambda: not held(rolling.stack.environment["CELERY_BROKER_URL"]), timeout=PATIENCE, what="an empty queue")
    rolling.manage("parked", "retry", "billing", "--all")  # forward again: tomorrow's version reads them
    assert parked() == []
    assert Parked.objects.using("billing").filter(state="applied").count() == 5
    wait_until_in_step()
