"""What stops a relay, and a worker, before it begins."""

import signal

import pytest

from config.celery import app
from messaging.operations.worker_startup import refuse_to_start
from messaging.publisher.relay import Relay, Round
from tests.commands.calling import call

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
