"""What the supervisor's words become, and the queue of a real broker: empty, filled, full and away."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from celery import Celery

from config.broker import socket_path
from config.runner.broker_server import start_broker, stop_broker
from messaging.models import Subscription
from messaging.transport.sender import Sender
from walkthrough.control.processes import Seen
from walkthrough.flow import programs
from walkthrough.flow.copy import Copy
from walkthrough.flow.programs import Queue
from walkthrough.observe import side_by_side

WHOLE = Copy(3, 0, 1.0, "live", "", None, 0, 0.0, [])
RUNS, STOPPED = Seen("RUNNING", None, 7), Seen("STOPPED", datetime(2026, 11, 29, 14, 3, tzinfo=UTC), 0)


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """A broker of the test's own, because it is filled and ended."""
    process, url = start_broker(tmp_path / "broker")
    monkeypatch.setenv("CELERY_BROKER_URL", url)  # Celery prefers it to its own settings
    app = Celery(broker=url)
    for module in (programs, side_by_side):
        monkeypatch.setattr(module, "app", app)
    monkeypatch.setattr(programs, "FULL_KEPT", -1.0)
    monkeypatch.setattr(side_by_side, "DEPTH_KEPT", -1.0)
    monkeypatch.setattr(programs.broker, "embedded", lambda: False)
    yield app
    stop_broker(process)


def test_the_queue_of_a_broker_that_fills_up_and_goes_away(broker: Celery, tmp_path: Path) -> None:
    assert programs.queue() == Queue(0)
    sender = Sender(broker, "users")
    sender.send("billing", "billing", [{"id": "1"}])
    sender.close()
    assert programs.queue() == Queue(1)
    with redis.Redis(unix_socket_path=str(socket_path(tmp_path / "broker"))) as client:
        client.config_set("maxmemory", 1)
        assert programs.queue() == Queue(1, full=True)
        client.config_set("maxmemory", 0)
        assert programs.queue() == Queue(1)
        client.shutdown(nosave=True)
    assert programs.queue() == Queue(None)


def test_a_broker_that_goes_away_between_two_questions_isn_t_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"redis+socket://{tmp_path}/nobody"
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    monkeypatch.setattr(programs, "app", Celery(broker=url))
    monkeypatch.setattr(programs, "_full", (0.0, False))
    monkeypatch.setattr(programs.side_by_side, "depth", lambda name: 3)
    assert programs.queue() == Queue(3)


def looks(known: dict[str, Seen], monkeypatch: pytest.MonkeyPatch, **values: str) -> dict[str, tuple[str, str]]:
    monkeypatch.setattr(programs.processes, "seen", lambda: known)
    found = programs.programs(Subscription(authority="users", **values), Queue(0), WHOLE, 0)
    return {name: (one.look, one.word) for name in ("relay", "worker", "tend", "api") if (one := getattr(found, name))}


def test_where_billing_runs_apart_its_own_programs_count(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"tend-billing": STOPPED, "billing-tend": RUNS, "billing-web": RUNS, "users-api": STOPPED}
    found = looks(known, monkeypatch)
    assert found["tend"] == ("runs", "runs")
    assert found["api"] == ("down", "stopped")
    assert looks({**known, "users-api": RUNS}, monkeypatch)["api"] == ("runs", "answers")
    assert looks({**known, "billing-tend": STOPPED, "billing-web": STOPPED}, monkeypatch)["tend"] == ("down", "stopped")
    # The page's own process answers, while no context runs apart.
    assert looks({"users-api": STOPPED, "web": RUNS}, monkeypatch)["api"] == ("runs", "answers")


def test_a_program_that_starts_or_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"relay-users": Seen("BACKOFF", None, 0), "worker-billing": Seen("STARTING", None, 9)}
    assert looks(known, monkeypatch)["relay"] == ("down", "backoff")
    assert looks(known, monkeypatch)["worker"] == ("down", "starting")


def test_a_worker_waits_while_a_bootstrap_holds_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looks({"worker-billing": RUNS}, monkeypatch, state=Subscription.State.PAUSED)["worker"] == ("busy", "waits")
