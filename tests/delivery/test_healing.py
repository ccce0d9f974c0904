"""A hole heals itself: whatever becomes of events, the copy finds its way back by the feed, with real processes."""

import pytest
from django.db import connections
from django_outbox_pattern.models import Published
from kombu import Connection

from billing.models import CachedUser
from messaging.database.outbox_pattern import WAITING
from messaging.models import Consumer, Incident, Subscription
from messaging.publisher import republish
from messaging.replica import compare
from messaging.replica.replica import Replica
from tests.probes import wait_for
from users.models import User
from users.seeding import demo_users, save
from users.services import user_erase, user_suspend

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
NOTICED = 15


@pytest.fixture
def broker(valkey):
    """One broker is enough here: the feed needs none."""
    with Connection(valkey) as connection:
        connection.default_channel.client.flushdb()
    return valkey


def users():
    return list(User.objects.using("users").order_by("id"))


def equal():
    authority = {(row.pk, row.status) for row in User.objects.using("users").all()}
    return authority == {(row.user_id, row.status) for row in CachedUser.objects.using("billing")}


def difference():
    ours = dict(CachedUser.objects.using("billing").values_list("user_id", "status"))
    wrong = sum(ours.get(user.pk) != user.status for user in users())
    row = (
        Subscription.objects.using("billing")
        .filter(authority="users")
        .values("checkpoint", "ahead", "head", "state", "behind_since")
        .first()
    )
    return f"{wrong} rows differ; {row}"


def suppress(some):
    """A bug in the publisher: the rows change, and nobody hears of it."""
    User.objects.using("users").filter(pk__in=[user.pk for user in some[:-1]]).update(status="suspended")
    with connections["users"].cursor() as cursor:
        key = some[-1].pk if connections["users"].vendor == "postgresql" else some[-1].pk.hex
        cursor.execute("UPDATE users_user SET status = 'suspended' WHERE id = %s", [key])


def test_silent_changes_are_noticed_and_healed_within_seconds(living):
    living.tend("billing")
    silent = users()[10:18]
    suppress(silent)
    user_suspend(user_id=users()[0].pk, reason="with an event, in the middle of it")
    wait_for(equal, timeout=NOTICED, what="billing to pull what had no event", seen=difference)
    incident = Incident.objects.using("billing").get()
    assert (incident.kind, set(incident.subjects)) == ("silent", {str(user.pk) for user in silent})
    assert set(republish.missing("users")) == {str(user.pk) for user in silent}
    republish.republish("users")
    wait_for(
        lambda: not Published.objects.using("users").filter(status=WAITING).exists(),
        timeout=NOTICED,
        what="the late events to leave",
    )
    assert compare.compare(Replica.of("billing", "users")).verdict == "in_sync"
    wait_for(
        lambda: not Subscription.objects.using("billing").get(authority="users").ahead,
        timeout=NOTICED,
        what="no hole",
        seen=difference,
    )


def test_with_the_pull_switched_off_the_comparison_raises_it(living):
    living.tend("billing", "--no-pull", "--compare-every", "1s")
    silent = users()[3:9]
    suppress(silent)
    found = wait_for(
        lambda: Incident.objects.using("billing").filter(kind="drift", count=len(silent)).first(),
        timeout=30,
        what="an incident of drift",
    )
    assert found
    assert set(found.subjects) == {str(user.pk) for user in silent}
    assert not equal()


def test_a_broker_that_lost_its_data_loses_nothing_for_good(living, broker):
    living.kill("worker-billing")
    for user in users()[:20]:
        user_suspend(user_id=user.pk, reason="on its way when the broker lost it")
    wait_for(lambda: not Published.objects.using("users").filter(status=WAITING).exists(), timeout=30, what="the relay to send")
    with Connection(broker) as connection:
        connection.default_channel.client.flushdb()
    living.worker("billing")
    living.tend("billing")
    wait_for(equal, timeout=NOTICED, what="billing to pull what the broker lost", seen=difference)
    assert not Incident.objects.using("billing").exists()  # their events were recorded


def test_outbox_rows_that_are_lost_are_pulled(living):
    living.kill("relay-users")
    for user in users()[20:30]:
        user_erase(user_id=user.pk)
    Published.objects.using("users").filter(status=WAITING).delete()
    living.relay("users")
    living.tend("billing")
    wait_for(equal, timeout=NOTICED, what="billing to pull what no relay can send", seen=difference)


def test_without_any_broker_the_feed_alone_keeps_the_copy(living):
    living.kill("relay-users")
    living.kill("worker-billing")
    living.environment["CELERY_BROKER_URL"] = "redis://127.0.0.1:9/0"
    Subscription.objects.using("billing").update(heartbeat_at=None)
    living.tend("billing")
    for user in users()[:5]:
        user_suspend(user_id=user.pk, reason="no broker")
    wait_for(equal, timeout=NOTICED, what="billing to follow the feed", seen=difference)


def test_an_authority_that_is_away_is_a_state_of_its_own(living):
    Subscription.objects.using("billing").update(heartbeat_at=None)
    living.kill("relay-users")
    living.kill("web")
    living.tend("billing")
    state = lambda: Subscription.objects.using("billing").get(authority="users").state  # noqa: E731
    wait_for(lambda: state() == "unreachable", timeout=NOTICED, what="the copy to count as cut off", seen=state)
    assert compare.compare(Replica.of("billing", "users")).verdict == "unreachable"


def test_a_bootstrap_killed_five_times_beside_live_changes_ends_live(living):
    save(demo_users(400, seed=7), with_events=False)
    CachedUser.objects.using("billing").all().delete()
    Subscription.objects.using("billing").all().delete()
    Consumer.objects.using("users").filter(name="billing").update(bootstrap_open=True, bootstrapped_to=0)
    command = ("bootstrap", "billing", "--from", "users", "--page-size", "40")
    changing = iter(users())
    for number, step in enumerate(["pull.applied", "pull.before_commit", "pull.committed", "bootstrap.read", "bootstrap.live"]):
        killed = living.manage(*command, kill_at=f"{step}:{2 if step.startswith('pull') else 1}")
        for _ in range(10):
            user_suspend(user_id=next(changing).pk, reason=f"while bootstrap {number} ran")
        assert killed.wait(timeout=60) == -9, living.tail()
    assert living.manage(*command).wait(timeout=60) == 0, living.tail()
    wait_for(equal, timeout=30, what="billing to equal the authority", seen=difference)
    assert Replica.of("billing", "users").subscription().state == "live"
    assert compare.compare(Replica.of("billing", "users")).verdict == "in_sync"
