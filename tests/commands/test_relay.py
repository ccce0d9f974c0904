"""What stops a relay, and a worker, before it begins."""

import signal

import pytest
from celery import Celery
from kombu import Connection

from config.celery import app
from messaging.errors import NoBroker
from messaging.models import Consumer
from messaging.operations.worker_startup import refuse_to_start
from messaging.publisher.relay import Relay, Round
from messaging.replica import bootstrap
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from messaging.transport import queues
from tests.commands.calling import call
from users.services import user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_a_key_prefix_of_kombus_is_refused_by_relay_and_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With kombu's key prefix kombu uses other keys on Redis, and messages are lost."""
    monkeypatch.setitem(app.conf, "broker_transport_options", {**app.conf.broker_transport_options, "global_keyprefix": "mine:"})
    refused = call("relay", "users", "--once")
    assert (refused.code, "global_keyprefix isn't supported" in refused.err) == (3, True)
    with pytest.raises(SystemExit) as ended:
        refuse_to_start(app)
    assert ended.value.code == 3
    assert "global_keyprefix isn't supported" in caplog.text


def test_told_to_stop_it_prints_what_it_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *words: None)
    monkeypatch.setattr(Relay, "_heartbeat", lambda relay: relay.stop.set())
    monkeypatch.setattr(Relay, "run_once", lambda relay: Round(sent=2, messages=3))
    assert call("relay", "users", "--json").json == {"sent": 2, "failed": 0, "messages": 3}


NO_BROKER = (
    "Celery has no broker: broker_url isn't set, and Celery would use RabbitMQ on localhost. Set it, for example "
    'CELERY_BROKER_URL = "redis://localhost:6379/0" in a project whose Celery app reads CELERY_… settings, and import that app in '
    "the project's __init__.py."
)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Celery:
    """A Celery app without any setting, which every command uses; it must not connect to anything."""
    monkeypatch.delenv("CELERY_BROKER_URL")
    bare = Celery("bare", set_as_current=False)
    for command in ("relay", "replay", "bootstrap", "split"):
        monkeypatch.setattr(f"messaging.management.commands.{command}.current_app", bare)

    def connected(*args: object, **options: object) -> None:
        raise AssertionError("It connected to the default broker.")

    monkeypatch.setattr(Connection, "connect", connected)
    monkeypatch.setattr(Connection, "ensure_connection", connected)
    return bare


@pytest.mark.parametrize("once", [["--once"], []], ids=["once", "until stopped"])
def test_a_relay_without_a_broker_is_refused(bare: Celery, once: list[str]) -> None:
    user_register(email="ada@example.org", name="Ada")
    refused = call("relay", "users", *once)
    assert (refused.code, refused.err) == (3, NO_BROKER)


def test_a_replay_without_a_broker_is_refused(bare: Celery) -> None:
    user_register(email="ada@example.org", name="Ada")
    Consumer.objects.using("users").create(name="billing", queue="billing", types=["users.user.registered.v1"], fields=["status"])
    refused = call("replay", "users")
    assert (refused.code, refused.err) == (3, NO_BROKER)
    assert call("replay", "users", "--dry-run").code == 0


def test_a_bootstrap_without_a_broker_is_refused(bare: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = Replica.of("billing", "users")
    monkeypatch.setattr(AuthorityClient, "registration", lambda client: {"queue": "billing", "owners": []})
    with pytest.raises(NoBroker) as refused:
        bootstrap.bootstrap(replica, bare)
    assert str(refused.value) == NO_BROKER


def test_a_worker_of_ours_without_a_broker_is_refused(bare: Celery, caplog: pytest.LogCaptureFixture) -> None:
    bare.conf.task_queues = [queues.queue("billing")]
    with pytest.raises(SystemExit) as ended:
        refuse_to_start(bare)
    assert ended.value.code == 3
    assert NO_BROKER in caplog.text


def test_a_worker_of_the_host_s_own_queues_may_use_celery_s_default(bare: Celery) -> None:
    bare.conf.task_queues = [queues.queue("mails")]
    refuse_to_start(bare)


def test_the_depth_of_a_queue_is_unknown_without_a_broker(bare: Celery) -> None:
    assert queues.depth(bare, "billing") is None
