"""Every context works in a database whose alias isn't its name, its own or one that all share.

`test_aliases.py` runs this with `moved_settings` and with `shared_settings`.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User as Login
from django.core.management import call_command
from django.db import connections, router
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_outbox_pattern import settings as outbox_pattern_settings
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.factories import factory_connection, factory_producer
from django_outbox_pattern.models import Published
from stomp.listener import ConnectionListener

from benchmarks.alternatives.stomp import stomp_broker
from billing.models import CachedUser, Invoice
from config.management.replaced import Only
from messaging import settings as messaging_settings
from messaging.celery import app
from messaging.consumer import checkpoints, inbox, incoming, parked, retries
from messaging.database.outbox_pattern import SENT
from messaging.events.ids import uuid7
from messaging.models import Incident, Parked, Repair, Subscription
from messaging.operations.checks.consumers import bootstrap_grants_are_closed, registered_types_have_handlers
from messaging.operations.checks.tables import ledger_triggers_are_there
from messaging.publisher.relay import Relay
from messaging.replica import BatchLookup, compare, find, staleness
from messaging.replica.replica import Replica
from messaging.replica.sync import SyncProcess
from messaging.split import move
from messaging.tasks import retry_due
from monolith.models import User as MonolithUser
from tests.commands.calling import Ended, call
from tests.probes import wait_for
from users.models import User
from users.seeding import demo_users, save
from users.services import user_erase, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
USERS, BILLING, MONOLITH = (messaging_settings.context(name).alias for name in ("users", "billing", "monolith"))


def did(*words: str, code: int = 0) -> Ended:
    """Run a command, and check its exit code."""
    ended = call(*words)
    assert ended.code == code, f"{words} ended with {ended.code}: {ended.out} {ended.err}"
    return ended


def equal() -> bool:
    return set(User.objects.using(USERS).values_list("pk", "status")) == set(
        CachedUser.objects.using(BILLING).values_list("user_id", "status")
    )


@pytest.fixture
def web(live_server: Any, settings: Any, tmp_path: Path) -> str:
    """Serve the contexts' feeds, with their tokens in a folder."""
    settings.MESSAGING = {
        **settings.MESSAGING,
        "TOKEN_FOLDER": tmp_path,
        "API_URL": lambda authority: live_server.url,
    }
    return str(live_server.url)


@pytest.fixture
def registered(web: str) -> list[User]:
    """Twenty users in the authority, which has registered billing."""
    save(demo_users(20, suspended=0.2), with_events=False)
    did("consumers", "register", "billing", "--to", "users")
    return list(User.objects.using(USERS).order_by("id"))


@pytest.fixture
def live(registered: list[User]) -> list[User]:
    assert did("bootstrap", "billing", "--from", "users", "--page-size", "7", "--json").json["verdict"] == "in_sync"
    return registered


def test_no_database_is_called_as_a_context() -> None:
    assert not set(connections) & set(messaging_settings.contexts())
    assert set(messaging_settings.contexts()) == {"users", "billing", "monolith"}


def test_a_copy_is_filled_followed_compared_and_repaired(live: list[User]) -> None:
    assert equal()
    User.objects.using(USERS).filter(pk=live[0].pk).update(status="suspended")
    user_erase(user_id=live[1].pk)
    assert did("catch_up", "billing", "--from", "users", "--json").json["applied"] == 2
    assert equal()
    assert Incident.objects.of(BILLING).get(kind="silent").subjects == [str(live[0].pk)]
    other = "active" if live[2].status == "suspended" else "suspended"
    CachedUser.objects.using(BILLING).filter(pk=live[2].pk).update(status=other)
    CachedUser.objects.using(BILLING).filter(pk=live[3].pk).delete()
    assert did("reconcile", "billing", "--from", "users", "--json", code=1).json["counts"]["missing"] == 1
    assert did("reconcile", "billing", "--from", "users", "--repair", "--json").json["repaired"] == 2
    assert equal()
    assert Repair.objects.of(BILLING).get().kind == "reconcile"


def test_a_doubtful_copy_is_settled_by_one_look(live: list[User]) -> None:
    Subscription.objects.of(BILLING).update(checkpoint=90, head=90)  # as if the authority had been set back
    sync = SyncProcess("billing")
    sync.look()
    assert Subscription.objects.of(BILLING).get(authority="users").doubt == ""
    User.objects.using(USERS).filter(pk=live[0].pk).update(status="suspended")
    Subscription.objects.of(BILLING).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    sync.look()
    next(iter(sync._watches.values())).compared = float("-inf")
    sync.look()
    assert equal()


def test_events_reach_the_copy_and_failed_ones_are_kept(live: list[User]) -> None:
    user_suspend(user_id=next(user.pk for user in live if user.status == "active"), reason="fraud")
    user_register(email="new@example.org", name="New")
    events = [row.body for row in Published.objects.using(USERS).filter(destination__startswith="users.").order_by("added")]
    assert Relay("users", app).run_once().sent == 2
    assert inbox.receive("billing", events).applied == 2
    assert inbox.receive("billing", events).duplicate == 2
    assert equal()
    inbox.receive("billing", [{"no": "event"}])
    unreadable = Parked.objects.of(BILLING).get()
    assert did("parked", "list", "billing", "--json").json["parked"][0]["id"] == unreadable.pk
    did("parked", "show", "billing", str(unreadable.pk))
    did("parked", "discard", "billing", str(unreadable.pk), "--note", "of no use")
    event, _ = incoming.arrival("billing", {**events[0], "id": str(uuid7())})[2:4]
    assert event is not None
    parked.park_failed(messaging_settings.context("billing").alias, event, events[0], ValueError("it failed"))
    Parked.objects.of(BILLING).filter(state="retrying").update(next_attempt_at=timezone.now())
    retry_due(consumer="billing")
    assert retries.due("billing") == []
    assert Parked.objects.of(BILLING).filter(state="applied").count() == 1


def test_a_decision_looks_up_and_knows_how_old_its_copy_is(live: list[User]) -> None:
    CachedUser.objects.using(BILLING).filter(pk=live[0].pk).delete()
    assert find("billing", "users", live[0].pk) is not None
    assert find("billing", "users", uuid7()) is None
    asking = BatchLookup("billing", "users")
    assert asking.unanswered([live[1].pk]) == set()
    asking.close()
    assert staleness.staleness("billing", "users") is not None
    assert compare.compare(Replica.of("billing", "users")).verdict == "in_sync"
    did("generate_invoices", "--period", "2026-11", "--max-staleness", "15m")
    assert Invoice.objects.using(BILLING).count() == sum(user.status == "active" for user in live)


def test_a_worker_notes_heartbeats_and_parks_what_it_can_not_read(live: list[User]) -> None:
    checkpoints.record_heartbeat("billing", "users", 25, timezone.now())
    assert Subscription.objects.of(BILLING).get(authority="users").head == 25
    assert parked.keep("billing", b"nonsense", "It can't be read.")
    assert parked.keep("billing", b"nonsense", "Nobody vouches for it.", {"task": "some.task"})
    assert Parked.objects.of(BILLING).count() == 2


def test_the_authority_s_commands(live: list[User], tmp_path: Path) -> None:
    User.objects.using(USERS).filter(pk=live[0].pk).update(status="suspended")
    assert did("republish", "users", "--dry-run", "--json").json["missing"] == [str(live[0].pk)]
    assert did("republish", "users", "--json").json["republished"] == 1
    did("relay", "users", "--once")
    assert did("replay", "users", "--dry-run", "--json").json["events"] == 1
    assert did("replay", "users", "--since", "2026-01-01T00:00:00Z", "--json", code=1).json["events"] == 1
    did("catch_up", "billing", "--from", "users")
    did("purge", "users", "--older-than", "1s", "--dry-run")
    user_erase(user_id=live[1].pk)
    did("purge", "users", "--older-than", "1s")
    assert did("consumers", "list", "--json").json["consumers"][0]["consumer"] == "billing"
    CachedUser.objects.using(BILLING).filter(pk=live[2].pk).update(status="erased")
    erased = tmp_path / "erased.json"
    erased.write_text(did("reconcile", "billing", "--from", "users", "--json", code=1).out)
    assert did("erase_again", "users", "--from", str(erased), "--json").json["ids"] == [str(live[2].pk)]
    did("consumers", "open", "billing")
    did("consumers", "close", "billing")
    did("consumers", "revoke", "billing")


def test_the_output_for_an_operator(live: list[User], client: Client) -> None:
    told = call("status", "--json").json["consumers"]
    assert [(row["lag"], row["state"]) for row in told if row["authority"] == "users"] == [(0, "live")]
    assert client.get("/readyz").json()["ready"]
    assert b'messaging_lag_positions{authority="users",consumer="billing"} 0.0' in client.get("/metrics").content
    aliases = [context.alias for context in messaging_settings.contexts().values()]
    for check in (bootstrap_grants_are_closed, ledger_triggers_are_there, registered_types_have_handlers):
        assert check(None, databases=aliases) == []
    call_command("check", "--database", USERS, "--database", BILLING)


def test_the_admin_s_pages(live: list[User], client: Client) -> None:
    inbox.receive("billing", [{"no": "event"}])
    client.force_login(Login.objects.create_superuser("root"))
    for model in admin.site._registry:
        options = model._meta
        page = client.get(reverse(f"admin:{options.app_label}_{options.model_name}_changelist"))
        assert page.status_code == 200, options.label
    listed = client.get(reverse("admin:billing_cacheduser_changelist")).content.decode()
    assert listed.count("equal") == 20
    CachedUser.objects.using(BILLING).filter(pk=live[0].pk).delete()
    client.post(reverse("admin:billing_cacheduser_reconcile"), {"repair": "1"})
    assert equal()


class Host(ConnectionListener):  # type: ignore[misc]
    """A host's use of django-outbox-pattern: the package's relay, and a subscriber that keeps what it sends."""

    def __init__(self, topic: str) -> None:
        self.topic, self.got = f"/topic/{topic}", list[Any]()
        self.subscriber = factory_connection(use_heartbeats=False)
        self.subscriber.set_listener("kept", self)
        self.subscriber.connect("guest", "guest", wait=True)
        self.subscriber.subscribe(self.topic, "1", ack="auto")

    def on_message(self, frame: Any) -> None:
        self.got.append(json.loads(frame.body))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Its router sends the package's queries, which name no database, to `default`."""
    monkeypatch.setattr(router, "routers", [Only(USERS)])
    monkeypatch.setattr(outbox_pattern_settings, "DEFAULT_PRODUCER_WAITING_TIME", 0)
    topic = f"host-{uuid7().hex[-8:]}"
    with stomp_broker(topic) as (_, port):
        monkeypatch.setattr(outbox_pattern_settings, "DEFAULT_STOMP_HOST_AND_PORTS", [("127.0.0.1", port)])
        host = Host(topic)
        yield host
        host.subscriber.disconnect()


def test_a_hosts_own_relay_and_ours_send_side_by_side_from_one_table(live: list[User], host: Host) -> None:
    ours = Relay("users", app)
    sent = 0
    for number in range(4):
        user_register(email=f"{number}@example.org", name="New")
        Published.objects.create(destination=host.topic, body={"order": number})
        if number % 2:
            factory_producer().publish_message_from_database()  # as the package's `publish` does
        done = ours.run_once()
        assert done.failed == 0
        sent += done.sent
    assert sent == 4
    assert [order.status for order in Published.objects.filter(destination=host.topic)] == [StatusChoice.SUCCEEDED] * 4
    assert Published.objects.filter(destination="users.user.created.v1", status=SENT).count() == 4
    wait_for(lambda: len(host.got) >= 4, timeout=30, what="the host's subscriber to get its four", seen=lambda: host.got)
    assert sorted(body["order"] for body in host.got) == [0, 1, 2, 3]
    ours.sender.close()


def test_rows_move_to_another_owner_and_back(web: str) -> None:
    MonolithUser.objects.using(MONOLITH).bulk_create(MonolithUser(email=f"u{n}@example.org", name=f"U{n}") for n in range(9))
    try:
        assert did("split", "users", "--json").json["verdict"] == "in_sync"
        assert did("split", "users", "--flip", "--json").json["owner"] == "users"
        user_register(email="new@example.org", name="New")
        SyncProcess("monolith").look()
        assert MonolithUser.objects.using(MONOLITH).count() == 10
        did("split", "users", "--status")
        assert did("split", "users", "--back", "--json").json["owner"] == "monolith"
        did("split", "users", "--cancel")
    finally:
        move.forget(move.split_of("users"))
