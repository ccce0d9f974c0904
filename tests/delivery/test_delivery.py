"""From a service to the other context's database: real databases, a real broker, real processes that are really killed."""

import random
import uuid
from collections import Counter

import pytest
from django.db import transaction
from django_outbox_pattern.models import Published, Received
from kombu import Connection

from billing.models import CachedUser, Invoice
from billing.services import invoice_mark_overdue, invoices_generate
from messaging.database.outbox_pattern import SENT, WAITING
from messaging.models import Parked
from messaging.transport.broker import UNACKED
from tests.delivery.conftest import each_once
from tests.probes import wait_for
from users.models import User
from users.services import user_erase, user_reactivate, user_register, user_suspend, users_announce_created

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
PATIENCE = 60


def cache():
    return dict(CachedUser.objects.using("billing").values_list("pk", "status"))


def authority():
    return dict(User.objects.using("users").values_list("pk", "status"))


def in_step():
    return not Published.objects.using("users").filter(status=WAITING).exists() and cache() == authority()


def difference():
    ours, theirs = cache(), authority()
    wrong = [key for key in theirs if ours.get(key) != theirs[key]]
    waiting = Published.objects.using("users").filter(status=WAITING).count()
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


def held(broker):
    """What the broker keeps for billing's worker: the queue, what is being fetched, and what nobody acknowledged."""
    with Connection(broker) as connection:
        client = connection.default_channel.client
        return client.lrange("billing", 0, -1) + client.lrange("billing.fetching", 0, -1) + list(client.hvals(UNACKED))


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


def test_a_killed_worker_of_two_contexts_loses_nothing_of_either(stack):
    for context in ("users", "billing"):
        stack.relay(context)
    stack.worker("users", "billing")
    ada, bob = (user_register(email=f"{name}@example.org", name=name) for name in ("ada", "bob"))
    wait_until_in_step()
    invoices_generate(period="2026-11")
    invoice = Invoice.objects.using("billing").get(user_id=ada.pk)
    stack.kill("worker-users-billing")
    user_suspend(user_id=bob.pk, reason="to billing's queue")
    invoice_mark_overdue(invoice_id=invoice.pk)  # to users' queue
    for step in ("redis.fetched:1", "redis.fetched:2") if stack.environment["CELERY_BROKER_URL"].startswith("redis") else ():
        assert stack.worker("users", "billing", kill_at=step).wait(timeout=PATIENCE) == -9
    stack.worker("users", "billing", kill_at="inbox.before_commit:1")
    wait_for(lambda: "SIGKILL" in stack.log.read_text(), timeout=PATIENCE, what="a pool process to be killed", seen=stack.tail)
    stack.kill("worker-users-billing")
    stack.worker("users", "billing")
    expected = {ada.pk: "suspended", bob.pk: "suspended"}
    wait_for(lambda: cache() == authority() == expected, timeout=PATIENCE, what="both to be suspended", seen=stack.tail)
    assert not Parked.objects.exclude(state=Parked.State.APPLIED).using("billing").exists()


@pytest.mark.timeout(600)  # its waits alone may take three minutes
@pytest.mark.parametrize("broker", each_once(), indirect=True)
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
    assert Published.objects.using("users").filter(status=SENT).count() == 5000
    wait_for(
        lambda: Received.objects.using("billing").count() == 5000,
        timeout=PATIENCE,
        what="every event to be in the inbox once",
        seen=lambda: Received.objects.using("billing").count(),
    )
    assert not Parked.objects.using("billing").exists()
    assert invoices_generate(period="2026-11").issued == 0


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
