"""A second consumer joins late, with other fields and another bound, and doesn't affect the first one."""

import base64
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from kombu import Connection

from billing.models import CachedUser, Invoice
from messaging.models import Consumer, Incident, Parked, Repair, Subscription
from messaging.replica import compare
from messaging.replica.replica import Replica
from tests.commands.calling import call
from tests.contexts.conftest import Notifications
from tests.delivery.stack import Stack
from tests.probes import wait_for
from users.models import User
from users.services import user_change_email, user_erase, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
PATIENCE = 40


def theirs() -> set[tuple[str, str, str]]:
    return {(user.pk.hex, user.email, user.name) for user in User.objects.using("users").all()}


def known(notifications: Notifications) -> set[tuple[str, str, str]]:
    return set(notifications.ask("SELECT user_id, email, name FROM notifications_contact"))


def counters() -> dict[str, int]:
    row = Subscription.objects.using("billing").get(authority="users")
    return {name: getattr(row, name) for name in ("applied", "duplicate", "obsolete", "checkpoint")}


def everything_of_billing() -> dict[str, Any]:
    """Return all that another consumer could disturb at billing. Only heartbeats may change the rest of its subscription."""
    row = Subscription.objects.using("billing").get(authority="users")
    names = ("state", "checkpoint", "ahead", "applied", "duplicate", "obsolete", "last_event_at", "drift", "repaired_at")
    return {
        **{name: getattr(row, name) for name in names},
        "copy": list(CachedUser.objects.using("billing").order_by("pk").values()),
        "others": [model.objects.using("billing").count() for model in (Parked, Incident, Repair, Invoice)],  # type: ignore[attr-defined]
        "registered": Consumer.objects.using("users").filter(name="billing").values().get(),
    }


@contextmanager
def traffic() -> Iterator[list[int]]:
    """Change users one after the other during the block, each when billing has the one before. So each change is a separate
    message, and billing's counts are exact. Yields their number."""
    ended, made = threading.Event(), [0]
    people = list(User.objects.using("users").filter(status="active").order_by("id"))
    before = counters()["applied"]

    def change() -> None:
        try:
            while not ended.is_set() or made[0] < 6:
                user_change_email(user_id=people[made[0] % len(people)].pk, email=f"n{made[0]}@example.org")
                made[0] += 1
                arrived = lambda: counters()["applied"] == before + made[0]  # noqa: E731
                wait_for(arrived, timeout=PATIENCE, what="billing to apply a change", seen=counters)
        finally:
            connections.close_all()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield made
    finally:
        ended.set()
        thread.join()


def waiting(broker: str, queue: str) -> list[dict[str, Any]]:
    """Return the events waiting in a queue, oldest first."""
    with Connection(broker) as connection:
        found = connection.default_channel.client.lrange(queue, 0, -1)
    bodies = [json.loads(base64.b64decode(json.loads(item)["body"])) for item in reversed(found)]
    return [event for _, values, _ in bodies for event in values.get("events", [])]


def test_it_joins_late_by_bootstrap_during_live_traffic_and_billing_does_not_notice(
    living: Stack, notifications: Notifications, broker: str
) -> None:
    before = everything_of_billing()
    token = notifications.register()
    assert everything_of_billing() == before
    with traffic() as changes:
        said = notifications.manage("bootstrap", "notifications", "--from", "users", "--page-size", "10", "--json")
        events = waiting(broker, "notifications")
        notifications.start()
        came = "SELECT count(*) FROM notifications_contact WHERE source = 'event'"
        wait_for(lambda: notifications.ask(came) > [(0,)], timeout=PATIENCE, what="an event to arrive", seen=living.tail)
    assert (said["state"], said["verdict"]) == ("live", "in_sync")
    assert said["rows"] >= 50
    wait_for(lambda: known(notifications) == theirs(), timeout=PATIENCE, what="its copy to be whole", seen=living.tail)
    # Its own fields, by every path.
    assert events
    assert {tuple(sorted(event["data"])) for event in events} == {("email", "name")}
    one = f"{living.environment['USERS_API_URL']}/api/users/{events[0]['subject']}/"
    with urllib.request.urlopen(urllib.request.Request(one, headers={"Authorization": f"Bearer {token}"}), timeout=10) as answer:
        assert set(json.load(answer)["data"]) == {"email", "name"}
    # Billing: each change once, in its own message, and nothing else.
    made = changes[0]
    assert counters() == {
        "applied": before["applied"] + made,
        "duplicate": before["duplicate"],
        "obsolete": before["obsolete"],
        "checkpoint": before["checkpoint"] + made,
    }
    assert waiting(broker, "billing") == []
    assert everything_of_billing()["others"] == before["others"]
    assert everything_of_billing()["registered"]["fields"] == ["status", "status_since"]
    assert compare.compare(Replica.of("billing", "users")).verdict == "in_sync"


def test_its_absence_its_repairs_and_its_bound_are_its_own(living: Stack, notifications: Notifications, broker: str) -> None:
    notifications.register()
    notifications.manage("bootstrap", "notifications", "--from", "users", "--json")
    one, two, three = User.objects.using("users").filter(status="active").order_by("id")[:3]
    applied = counters()["applied"]
    user_change_email(user_id=one.pk, email="new@example.org")
    user_suspend(user_id=two.pk, reason="x")
    user_erase(user_id=three.pk)
    wait_for(lambda: counters()["applied"] == applied + 3, timeout=PATIENCE, what="billing to go on alone", seen=counters)
    subjects = lambda: [event["subject"] for event in waiting(broker, "notifications")]  # noqa: E731
    sent = [str(user.pk) for user in (one, two, three)]
    wait_for(lambda: subjects() == sent, timeout=PATIENCE, what="its events to wait for it", seen=subjects)
    before = everything_of_billing()
    notifications.start()
    wait_for(lambda: known(notifications) == theirs(), timeout=PATIENCE, what="its copy to be whole", seen=living.tail)
    assert notifications.ask("SELECT email, name FROM notifications_contact WHERE user_id = ?", three.pk.hex) == [("", "")]
    # Its copy is changed by hand and repaired; events are sent again to it alone.
    notifications.ask("UPDATE notifications_contact SET name = 'Nobody' WHERE user_id = ?", one.pk.hex)
    compared = ("reconcile", "notifications", "--from", "users", "--json")
    assert notifications.manage(*compared, code=1)["counts"]["corrupt"] == 1
    assert notifications.manage(*compared, "--repair")["repaired"] == 1
    seen = "SELECT duplicate FROM messaging_subscription WHERE authority = 'users'"
    assert notifications.ask(seen) == [(0,)]
    assert living.manage("replay", "users", "--to", "notifications").wait(timeout=60) == 0, living.tail()
    wait_for(lambda: notifications.ask(seen) == [(3,)], timeout=PATIENCE, what="the replay to arrive", seen=living.tail)
    assert everything_of_billing() == before
    # Two hours old: too old to bill by, but good enough for a letter. After a day it isn't.
    for name in ("relay-users", "worker-billing", "worker-notifications", "tend-notifications"):
        living.kill(name)
    for hours, code in ((2, 0), (25, 3)):
        confirmed = timezone.now() - timedelta(hours=hours)
        Subscription.objects.using("billing").update(confirmed_at=confirmed)
        notifications.ask("UPDATE messaging_subscription SET confirmed_at = ?", f"{confirmed:%Y-%m-%d %H:%M:%S}")
        assert call("generate_invoices", "--period", "2026-11").code == 3
        said = notifications.manage("newsletter", "--json", code=code)
        assert code or said == {"addressees": 49}
    assert Consumer.objects.using("users").get(name="notifications").staleness_seconds == 24 * 3600
    assert Consumer.objects.using("users").get(name="billing").staleness_seconds == 900
