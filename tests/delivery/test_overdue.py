"""An overdue invoice suspends its user though its event is lost, and a user who is reactivated stays so, with real processes."""

from datetime import timedelta

import pytest
from django.db import connections
from django_outbox_pattern.models import Published
from kombu import Connection

from billing.models import Invoice
from billing.services import invoice_mark_overdue, invoices_generate
from messaging.celery import app
from messaging.database.outbox_pattern import WAITING
from messaging.models import Consumer, Subscription
from messaging.publisher import tokens
from messaging.replica import bootstrap, compare
from messaging.replica.replica import Replica
from tests.probes import wait_for
from tests.read_only import read_only
from users.models import CachedInvoice, User
from users.services import user_reactivate

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
PATIENCE = 40


@pytest.fixture
def broker(valkey):
    """One broker is enough here: what is lost comes by the feed."""
    with Connection(valkey) as connection:
        connection.default_channel.client.flushdb()
    return valkey


@pytest.fixture
def both(living, settings):
    """Users who are billed for a month, and all programs of both directions."""
    token = tokens.issue_token(authority="billing", name="users", ttl=timedelta(hours=1))
    living.environment["BILLING_API_TOKEN"] = token
    of_users = settings.MESSAGING["API_TOKEN"]
    given = lambda consumer, authority: token if authority == "billing" else of_users(consumer, authority)  # noqa: E731
    settings.MESSAGING = {**settings.MESSAGING, "API_TOKEN": given}
    invoices_generate(period="2026-11")
    bootstrap.bootstrap(Replica.of("users", "billing"), app)
    living.relay("billing")
    living.worker("users")
    living.tend("users")
    sent()
    return living


def sent():
    waiting = Published.objects.using("billing").filter(status=WAITING)
    wait_for(lambda: not waiting.exists(), timeout=PATIENCE, what="billing's relay to send", seen=waiting.count)


def flush(broker):
    with Connection(broker) as connection:
        connection.default_channel.client.flushdb()


def overdue(number):
    invoices = Invoice.objects.using("billing").filter(status="issued").order_by("pk")[:number]
    return [invoice_mark_overdue(invoice_id=invoice.pk) for invoice in list(invoices)]


def statuses(invoices):
    return set(User.objects.using("users").filter(pk__in=[one.user_id for one in invoices]).values_list("status", flat=True))


def suspended(invoices):
    def seen():
        row = Subscription.objects.using("users").filter(authority="billing").values("state", "checkpoint", "ahead", "head").first()
        return statuses(invoices), row

    wait_for(lambda: statuses(invoices) == {"suspended"}, timeout=PATIENCE, what="the users to be suspended", seen=seen)


def reactivate(invoices):
    for invoice in invoices:
        user_reactivate(user_id=invoice.user_id)


def test_a_lost_queue_is_healed_and_reactivated_users_stay_so(both, broker):
    both.kill("worker-users")
    late = overdue(5)
    sent()
    flush(broker)
    both.worker("users")
    suspended(late)
    reactivate(late)

    CachedInvoice.objects.using("users").filter(pk=late[0].pk).delete()
    for command in (
        ("reconcile", "users", "--from", "billing", "--repair"),
        ("bootstrap", "users", "--from", "billing"),
        ("replay", "billing", "--to", "users"),
    ):
        assert both.manage(*command).wait(timeout=60) == 0, both.tail()
    rows = Subscription.objects.using("users").filter(authority="billing")
    wait_for(
        lambda: rows.filter(obsolete__gte=5).exists(), timeout=PATIENCE, what="the replay to arrive", seen=lambda: rows.values()
    )
    Consumer.objects.using("billing").filter(name="users").update(bootstrap_open=True)
    CachedInvoice.objects.using("users").all().delete()
    rows.delete()  # as new
    assert both.manage("bootstrap", "users", "--from", "billing").wait(timeout=60) == 0, both.tail()
    assert compare.compare(Replica.of("users", "billing")).verdict == "in_sync"
    assert statuses(late) == {"active"}

    again = overdue(1)
    suspended(again)
    assert statuses(late) == {"active"}


def test_a_spell_without_writes_in_which_the_queue_is_lost_is_healed(both, broker):
    if connections["users"].vendor != "postgresql":
        pytest.skip("A SQLite database can't be made read-only for all processes.")
    with read_only("users"):
        late = overdue(5)
        sent()
        flush(broker)
    suspended(late)
    assert compare.compare(Replica.of("users", "billing")).verdict == "in_sync"
