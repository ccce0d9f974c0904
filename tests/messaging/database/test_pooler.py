"""Behind a real pgbouncer in transaction mode, if this machine has one. Otherwise `test_locks` has a replacement."""

import os
import pwd
import shutil
import socket
import subprocess
from contextlib import ExitStack
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connections

from messaging.database import locks, wakeup
from messaging.replica import bootstrap
from messaging.replica.replica import Replica
from tests.delivery.stack import database_url
from tests.pooled import SERVERS
from tests.probes import wait_for
from users.seeding import demo_users, save

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif(PGBOUNCER is None, reason="there is no pgbouncer here; a stand-in is tested in test_locks.py"),
]

SETTINGS = """
[databases]
* = host={host} port={server_port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
server_round_robin = 1
ignore_startup_parameters = extra_float_digits
"""


@pytest.fixture
def pooler(tmp_path_factory):
    """Let both contexts' connections go through a pooler."""
    if connections["users"].vendor != "postgresql":
        pytest.skip("a pooler is PostgreSQL's")
    server = urlsplit(database_url("users"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("pooler")
    place = {"host": server.hostname, "server_port": server.port, "user": server.username, "password": server.password}
    nobody = ["-u", pwd.getpwuid(65534).pw_name] if os.geteuid() == 0 else []  # pgbouncer refuses root
    file = folder / "pgbouncer.ini"
    file.write_text(SETTINGS.format(port=port, **place))
    assert PGBOUNCER
    process = subprocess.Popen([PGBOUNCER, *nobody, str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    changed = {"HOST": "127.0.0.1", "PORT": port, "DISABLE_SERVER_SIDE_CURSORS": True}
    before = {alias: {name: connections[alias].settings_dict.get(name) for name in changed} for alias in ("users", "billing")}
    try:
        wait_for(lambda: _listens(port), timeout=10, what="pgbouncer to listen", seen=process.poll)
        for alias in before:
            connections[alias].close()
            connections[alias].settings_dict.update(changed)
            _fill(alias)
        yield
    finally:
        for alias, known in before.items():
            connections[alias].close()
            connections[alias].settings_dict.update(known)
        process.terminate()
        process.wait(timeout=10)


def _fill(alias):
    """Run transactions at the same time, so that the pooler opens several connections to the server."""
    with ExitStack() as stack:
        for _ in range(SERVERS):
            client = stack.enter_context(psycopg.connect(**connections[alias].get_connection_params()))
            client.execute("SELECT 1")


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_lease_is_taken_and_given_back(pooler):
    for _ in range(5):
        with locks.exclusive("billing", "bootstrap-users"):
            connections["billing"].close()
            assert locks.held("billing", "bootstrap-users")
        assert not locks.held("billing", "bootstrap-users")


def test_one_bootstrap_after_the_other(pooler, api):
    from messaging.celery import app

    save(demo_users(5), with_events=False)
    for _ in range(3):
        assert bootstrap.bootstrap(Replica.of("billing", "users"), app).verdict == "in_sync"


def test_a_relay_says_that_no_commit_wakes_it(pooler, caplog, monkeypatch):
    monkeypatch.setattr(wakeup, "HEARD_SECONDS", 0.2)
    wakeup.Waiter("users").wait()
    assert "LISTEN doesn't work on this connection" in caplog.text
