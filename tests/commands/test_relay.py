"""What stops a relay, a worker and a scheduler before they begin."""

import signal
from typing import Any

import pytest
from kombu import Connection

from messaging.celery import app
from messaging.errors import NoBroker
from messaging.models import Consumer
from messaging.publisher.relay import Relay, Round
from messaging.replica import bootstrap
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from messaging.transport import queues
from tests.commands.calling import call
from users.services import user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.mark.parametrize("command", [["relay", "users", "--once"], ["worker", "billing"], ["scheduler"]], ids=" ".join)
def test_a_key_prefix_of_kombus_is_refused(settings: Any, command: list[str]) -> None:
    """With it kombu uses other keys on Redis, and messages are lost."""
    settings.MESSAGING = {**settings.MESSAGING, "BROKER_OPTIONS": {"global_keyprefix": "mine:"}}
    refused = call(*command)
    assert (refused.code, "global_keyprefix isn't supported" in refused.err) == (3, True)


def test_told_to_stop_it_prints_what_it_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *words: None)
    monkeypatch.setattr(Relay, "_heartbeat", lambda relay: relay.stop.set())
    monkeypatch.setattr(Relay, "run_once", lambda relay: Round(sent=2, messages=3))
    assert call("relay", "users", "--json").json == {"sent": 2, "failed": 0, "messages": 3}


NO_BROKER = (
    'MESSAGING["BROKER_URL"] isn\'t set, so there is no broker. Set it, for example to "redis://localhost:6379/3" or '
    '"amqp://login:password@localhost/vhost".'
)


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """`MESSAGING` names no broker. A host's variable for its own Celery doesn't replace it, and nothing may connect to anything."""
    settings.MESSAGING = {name: value for name, value in settings.MESSAGING.items() if name != "BROKER_URL"}

    def connected(*args: object, **options: object) -> None:
        raise AssertionError("It connected to the default broker.")

    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    monkeypatch.setattr(Connection, "connect", connected)
    monkeypatch.setattr(Connection, "ensure_connection", connected)


@pytest.mark.usefixtures("no_broker")
@pytest.mark.parametrize(
    "command", [["relay", "users", "--once"], ["relay", "users"], ["worker", "billing"], ["scheduler"]], ids=" ".join
)
def test_without_a_broker_it_is_refused(command: list[str]) -> None:
    user_register(email="ada@example.org", name="Ada")
    refused = call(*command)
    assert (refused.code, refused.err) == (3, NO_BROKER)


@pytest.mark.usefixtures("no_broker")
def test_a_replay_without_a_broker_is_refused() -> None:
    user_register(email="ada@example.org", name="Ada")
    Consumer.objects.using("users").create(name="billing", queue="billing", types=["users.user.registered.v1"], fields=["status"])
    refused = call("replay", "users")
    assert (refused.code, refused.err) == (3, NO_BROKER)
    assert call("replay", "users", "--dry-run").code == 0


@pytest.mark.usefixtures("no_broker")
def test_a_bootstrap_without_a_broker_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    replica = Replica.of("billing", "users")
    monkeypatch.setattr(AuthorityClient, "registration", lambda client: {"queue": "billing", "owners": []})
    with pytest.raises(NoBroker) as refused:
        bootstrap.bootstrap(replica, app)
    assert str(refused.value) == NO_BROKER


@pytest.mark.usefixtures("no_broker")
def test_the_depth_of_a_queue_is_unknown_without_a_broker() -> None:
    assert queues.depth(app, "billing") is None
