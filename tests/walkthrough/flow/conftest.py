"""Users with a copy at billing, and programs that run."""

from collections.abc import Iterator
from typing import Any

import pytest

from billing.handlers import HANDLERS
from messaging.models import Consumer
from messaging.testing import deliver
from users.models import User
from users.services import user_register
from walkthrough.control import processes
from walkthrough.control.processes import Seen
from walkthrough.flow import programs, state
from walkthrough.observe import side_by_side

NAMES = ("broker", "web", "relay-users", "worker-billing", "tend-billing")


@pytest.fixture(autouse=True)
def _nothing_kept(request: pytest.FixtureRequest) -> Iterator[None]:
    """No state of one test is shown in the next one. Queues are empty, because no broker runs here."""
    state.forget()
    side_by_side._depths.clear()
    yield
    state.forget()
    side_by_side._depths.clear()


@pytest.fixture
def users(transactional_db: None) -> list[User]:
    """Ada, Bob and Cleo, whose events billing has applied."""
    Consumer.objects.using("users").create(name="billing", queue="billing", types=list(HANDLERS), fields=["status", "status_since"])
    found = [user_register(email=f"{name.lower()}@example.org", name=name) for name in ("Ada", "Bob", "Cleo")]
    send()
    return found


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> dict[str, Seen]:
    """What the supervisor says: a test changes it."""
    known = {name: Seen("RUNNING", None, 100 + number) for number, name in enumerate(NAMES)}
    monkeypatch.setattr(processes, "seen", lambda: known)
    return known


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that sets the queue's state, where no broker runs."""

    def put(waiting: int | None, **more: Any) -> None:
        monkeypatch.setattr(programs, "queue", lambda: programs.Queue(waiting, **more))

    put(0)
    return put


def send() -> None:
    """What relay, queue and worker do with everything that waits in the outbox of users."""
    deliver("users", may_park=True)
