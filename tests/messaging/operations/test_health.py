"""A monitor's questions to a process: does it live, can it work, and what is its state."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from django_outbox_pattern.models import Published
from prometheus_client.parser import text_string_to_metric_families

from messaging.database.outbox_pattern import FAILED, WAITING
from messaging.ledger import sequencer
from messaging.models import Consumer, Incident, Parked, Subscription
from messaging.operations import health
from users.services import user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
DRIFT = {"missing": 2, "stale": 1, "corrupt": 0, "ghost": 0, "ahead": 0}
PATHS = ["/healthz", "/readyz", "/metrics"]


@pytest.fixture(autouse=True)
def _nothing_seen_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", set())


@contextmanager
def away(alias: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace a database by an unreachable one; the test's own is back at the end, for the cleanup."""
    nowhere = {"NAME": "/nowhere/at/all.sqlite3"} if connections[alias].vendor == "sqlite" else {"HOST": "127.0.0.1", "PORT": "1"}
    connections[alias].close()
    with monkeypatch.context() as patched:
        for name, value in nowhere.items():
            patched.setitem(connections[alias].settings_dict, name, value)
        yield
    connections[alias].close()


def ready(code: int) -> Any:
    answer = Client().get("/readyz")
    assert answer.status_code == code, answer.content
    return answer.json()


def samples() -> dict[tuple[str, ...], float]:
    """Read the metrics: value by (name, then the labels' values ordered by the labels' names)."""
    answer = Client().get("/metrics")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.content.decode())
    found = [sample for family in families for sample in family.samples]
    return {(sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value for sample in found}


def test_a_process_in_good_order_is_ready_and_says_how_far_it_is() -> None:
    user_register(email="ada@example.org", name="Ada")
    user_register(email="bob@example.org", name="Bob")
    sequencer.stamp_pending("users")
    confirmed = timezone.now() - timedelta(minutes=20)
    Subscription.objects.using("billing").create(authority="users", state="live", checkpoint=1, confirmed_at=confirmed)
    told = ready(200)
    assert told["ready"]
    assert told["databases"] == dict.fromkeys(configured.DATABASES, "ok")
    assert (told["broker"], told["queues"]) == ("ok", {"users": 0, "billing": 0})
    (billing,) = [row for row in told["consumers"] if (row["consumer"], row["authority"]) == ("billing", "users")]
    assert (billing["state"], billing["checkpoint"], billing["head"], billing["lag"]) == ("live", 1, 2, 1)
    assert 1200 <= billing["staleness_seconds"] < 1260
    assert {"context": "users", "pending": 2, "failed": 0} in told["outbox"]
    assert "ada@example.org" not in str(told)


@pytest.mark.parametrize("seen_before", [False, True])
@pytest.mark.parametrize("alias", ["billing", "default"])
def test_an_unreachable_database_is_named_and_the_process_lives_on(
    alias: str, seen_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seen_before:
        ready(200)
    with away(alias, monkeypatch):
        told = ready(503)
        assert not told["ready"]
        assert told["databases"] == {name: "away" if name == alias else "ok" for name in configured.DATABASES}
        assert Client().get("/healthz").content == b"ok\n"
    ready(200)


def test_no_metrics_without_a_context_s_database_and_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with away("billing", monkeypatch):
        answer = Client().get("/metrics")
    assert answer.status_code == 503
    assert answer.content.startswith(b"# The database of billing can't be read")
    assert samples()


def test_a_database_that_lacks_a_migration_is_not_ready() -> None:
    applied = MigrationRecorder(connections["billing"]).migration_qs.filter(app="billing")
    last = applied.order_by("-id").values("app", "name", "applied")[0]
    applied.filter(name=last["name"]).delete()
    try:
        assert ready(503)["databases"]["billing"] == "migrations missing: 1"
    finally:
        MigrationRecorder(connections["billing"]).migration_qs.create(**last)
    ready(200)


def test_a_database_that_lost_its_tables_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    ready(200)
    monkeypatch.setattr(Subscription._meta, "db_table", "gone")
    told = ready(503)
    assert told["reason"].startswith("The database of users can't be read")


def test_an_unreachable_broker_is_reported_and_the_process_stays_ready(settings: Any) -> None:
    settings.MESSAGING = {**settings.MESSAGING, "BROKER_URL": "redis://127.0.0.1:1/0"}
    told = ready(200)
    assert (told["broker"], told["queues"]) == ("away", {"users": None, "billing": None})


def test_metrics_say_what_waits_how_far_each_copy_is_and_what_came_of_what_arrived() -> None:
    for name in "abc":
        user_register(email=f"{name}@example.org", name=name)
    rows = Published.objects.using("users")
    rows.filter(pk=rows.order_by("added")[0].pk).update(status=FAILED)
    rows.filter(status=WAITING).update(added=timezone.now() - timedelta(hours=1))
    sequencer.stamp_pending("users")
    now = timezone.now()
    Subscription.objects.using("billing").create(
        authority="users",
        state="live",
        checkpoint=1,
        confirmed_at=now - timedelta(hours=2),
        drift=DRIFT,
        applied=7,
        duplicate=3,
        obsolete=2,
    )
    Parked.objects.using("billing").create(state="parked", event_type="users.user.created.v1", reason="x")
    for closed_at in (None, now):
        Incident.objects.using("billing").create(kind="silent", authority="users", closed_at=closed_at, summary="x")
    Consumer.objects.using("users").create(name="shipping", queue="shipping")  # another process's, which reports it itself
    seen, who = samples(), ("users", "billing")
    assert (seen["messaging_outbox_pending", "users"], seen["messaging_outbox_failed", "users"]) == (2, 1)
    assert 3600 <= seen["messaging_outbox_oldest_seconds", "users"] < 3660
    assert seen["messaging_lag_positions", *who] == 2
    assert 7200 <= seen["messaging_staleness_seconds", *who] < 7260
    assert (seen["messaging_parked", *who], seen["messaging_incidents_open", *who]) == (1, 1)
    assert {kind: seen["messaging_drift_rows", *who, kind] for kind in DRIFT} == DRIFT
    assert [seen["messaging_events_total", *who, outcome] for outcome in ("applied", "duplicate", "obsolete")] == [7, 3, 2]
    assert [state for state in Subscription.State.values if seen["messaging_subscription_state", *who, state]] == ["live"]
    assert not [key for key in seen if "shipping" in key]


def test_unknown_values_are_left_out_of_the_metrics() -> None:
    seen, who = samples(), ("users", "billing")
    assert seen["messaging_outbox_oldest_seconds", "users"] == 0
    assert ("messaging_staleness_seconds", *who) not in seen  # never confirmed: an alert can test its absence
    assert not [key for key in seen if key[0] == "messaging_drift_rows"]


def test_only_reading_is_allowed_and_no_answer_is_kept() -> None:
    for path in PATHS:
        assert Client().post(path).status_code == 405
        assert "no-store" in Client().get(path)["Cache-Control"]
