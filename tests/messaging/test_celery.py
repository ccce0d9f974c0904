"""messaging's Celery app beside a host's: what is the host's own stays as it is."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import kombu
import pytest
from celery import Celery

from config.env import ROOT
from messaging import tasks
from messaging.celery import app
from messaging.transport import broker
from messaging.transport.queues import DELIVER, HEARTBEAT, RETRY_DUE
from tests.running import surroundings

BESIDE_A_HOST = """
import json, sys
import billiard.pool, celery._state, celery.worker.strategy, kombu.pools, kombu.transport.pyamqp, kombu.transport.redis
from celery import Celery

HOST
THEIRS = [name for name in sys.modules if name.partition(".")[0] in {"amqp", "billiard", "celery", "kombu", "vine"}]

def current():
    return celery._state._tls.current_app or celery._state.default_app  # asking for `current_app` would make one

def seen():
    places = {name: vars(sys.modules[name]) for name in THEIRS}
    classes = [value for place in places.values() for value in place.values() if isinstance(value, type)]
    places |= {f"{one.__module__}.{one.__qualname__}": vars(one) for one in classes if one.__module__ in THEIRS}
    found = {f"{name}.{key}": value for name, place in places.items() for key, value in place.items() if callable(value)}
    return found | {
        "current": current(), "default": celery._state.default_app, "tasks": current() and sorted(current().tasks),
        "aliases": dict(kombu.transport.TRANSPORT_ALIASES), "strategies": dict(kombu.connection.failover_strategies),
        "pools": dict(kombu.pools.connections), "path": list(sys.path),
    }

before = seen()
import django
django.setup()
from messaging import tasks
from messaging.celery import app
from messaging.consumer import celery_scheduler, celery_worker
from messaging.transport import amqp, redis
app.finalize()
app.connection_for_write().get_transport_cls()
after = seen()
print(json.dumps(sorted(name for name in before if before[name] != after.get(name))))
"""


@pytest.mark.parametrize("host", ["Celery('host').finalize()", ""], ids=["with a Celery app", "without one"])
def test_loading_messaging_changes_nothing_in_celery_and_kombu(host: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BESIDE_A_HOST.replace("HOST", host)],
        cwd=ROOT,
        env=surroundings(tmp_path / "var", DJANGO_SETTINGS_MODULE="config.settings"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, json.loads(done.stdout or "null")) == (0, []), done.stderr


def test_its_tasks_are_on_no_other_app() -> None:
    with Celery("host", set_as_current=False) as host:
        host.finalize()
        assert {DELIVER, HEARTBEAT, RETRY_DUE} <= set(app.tasks)
        assert not [name for name in host.tasks if name.startswith("messaging")]
    assert tasks.deliver.app is app


def test_a_hosts_variables_for_celery_do_not_count(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, "redis://host.example.org/0")
    settings.MESSAGING = {**settings.MESSAGING, "BROKER_URL": "redis://ours.example.org/3"}
    for connection in (app.connection_for_read(), app.connection_for_write(), app.connection()):
        assert (connection.hostname, connection.virtual_host) == ("ours.example.org", "3")
    assert app.backend.as_uri() == "disabled://"


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("redis://localhost/3", "messaging.transport.redis:Transport"),
        ("redis+socket:///tmp/valkey.sock", "messaging.transport.redis:Transport"),
        ("rediss://localhost/3", "messaging.transport.redis:Transport"),
        ("sentinel://one/0;sentinel://two/0", "messaging.transport.redis:SentinelTransport"),
        ("amqp://localhost//", "messaging.transport.amqp:Transport"),
        ("amqps://localhost//", "messaging.transport.amqp:SSLTransport"),
        ("filesystem://", "kombu.transport.filesystem:Transport"),
    ],
)
def test_only_our_connections_have_our_transports(url: str, ours: str) -> None:
    def name(connection: kombu.Connection) -> str:
        found = connection.get_transport_cls()
        return f"{found.__module__}:{found.__name__}"

    connection = broker.Connection(url)
    assert name(connection) == name(connection.clone()) == ours
    if ";" in url:
        connection.maybe_switch_next()
        assert (connection.hostname, name(connection)) == ("two", ours)
    assert name(kombu.Connection(url)).startswith("kombu.")


def test_it_has_its_own_options_and_those_of_the_host(settings: Any) -> None:
    settings.MESSAGING = {
        **settings.MESSAGING,
        "BROKER_URL": "redis+socket:///tmp/valkey.sock",
        "BROKER_OPTIONS": {"visibility_timeout": 60, "client_name": "facts"},
    }
    options = app.connection_for_read().transport_options
    assert {name: options[name] for name in ("visibility_timeout", "client_name", "unacked_key", "socket_timeout")} == {
        "visibility_timeout": 60,
        "client_name": "facts",
        "unacked_key": "contexts.unacked",
        "socket_timeout": 10,
    }


def test_a_pool_process_that_starts_anew_gets_the_same_app(tmp_path: Path) -> None:
    """Where processes aren't forked, as on macOS, Celery sends the app to them. Before Django is set up it has no tasks."""
    assert pickle.loads(pickle.dumps(app)) is app
    code = f"import pickle; app = pickle.loads({pickle.dumps(app)!r}); app.loader.init_worker(); print(*app.tasks)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=surroundings(tmp_path / "var", DJANGO_SETTINGS_MODULE="config.settings"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert {DELIVER, HEARTBEAT, RETRY_DUE} <= set(done.stdout.split()), done.stderr


def test_a_command_that_needs_no_broker_loads_no_client_of_one(tmp_path: Path) -> None:
    """They would be a quarter of all loaded modules, for every command and program."""
    code = "import django, sys; django.setup(); print(*({'redis', 'valkey', 'kombu.transport.redis'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=surroundings(tmp_path / "var"), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
