"""A broker that is away, full or demoted: every program waits, says so in a few lines, drains what it can, and goes on."""

import socket
import threading
from contextlib import contextmanager, suppress

import pytest
import redis

from config.broker import socket_path
from config.runner.broker_server import start_broker, stop_broker
from tests.delivery.test_delivery import PATIENCE, cache, held, wait_until_in_step
from tests.probes import wait_for
from users.services import user_register

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
#: Lines that an outage may cost each program.
MOST_LINES = 3
#: How often each program is refused before an outage ends.
REFUSALS = 25


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "broker"


@pytest.fixture
def servers(folder):
    """A broker of the test's own, for it is filled, demoted, and ended; the last one counts."""
    running = [start_broker(folder)[0]]
    yield running
    stop_broker(running[-1])


@pytest.fixture
def broker(servers, folder):
    return f"redis+socket://{socket_path(folder)}"


@pytest.fixture
def client(broker, folder):
    with redis.Redis(unix_socket_path=str(socket_path(folder))) as connected:
        yield connected


@contextmanager
def full(client):
    """The broker takes nothing that needs memory."""
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("anything", 1)
    yield
    client.config_set("maxmemory", 0)


def test_a_full_broker_is_drained_and_nothing_is_lost(stack, client, broker):
    first = [user_register(email=f"{number}@example.org", name="U") for number in range(5)]
    assert stack.manage("relay", "users", "--once").wait(timeout=PATIENCE) == 0
    with full(client):
        worker = stack.worker("billing")
        wait_until_in_step()
        wait_for(lambda: not held(broker), timeout=PATIENCE, what="the queue to be empty", seen=stack.tail)
        relay = stack.relay("users")
        later = user_register(email="later@example.org", name="U")
        wait_for(lambda: "can't send" in stack.log.read_text(), timeout=PATIENCE, what="the relay to notice", seen=stack.tail)
        assert cache() == dict.fromkeys([user.pk for user in first], "active")
    wait_until_in_step()
    assert cache()[later.pk] == "active"
    assert (worker.poll(), relay.poll()) == (None, None)


def test_what_a_killed_worker_held_comes_back_on_a_full_broker(stack, client, broker):
    ada = user_register(email="ada@example.org", name="Ada")
    assert stack.manage("relay", "users", "--once").wait(timeout=PATIENCE) == 0
    doomed = stack.worker("billing", kill_at="inbox.handled:1")
    wait_for(lambda: "SIGKILL" in stack.log.read_text(), timeout=PATIENCE, what="the child to be killed", seen=stack.tail)
    with full(client):
        stack.kill("worker-billing")
        assert doomed.poll() is not None
        stack.worker("billing")
        wait_until_in_step()
    assert cache() == {ada.pk: "active"}


def test_a_demoted_broker_is_waited_for(stack, client):
    worker, relay = stack.worker("billing"), stack.relay("users")
    user_register(email="ada@example.org", name="Ada")
    wait_until_in_step()
    with demoted(client):
        wait_for(
            lambda: "read only replica" in stack.log.read_text(), timeout=PATIENCE, what="the worker to notice", seen=stack.tail
        )
        user_register(email="bob@example.org", name="Bob")
        wait_for(lambda: "can't send" in stack.log.read_text(), timeout=PATIENCE, what="the relay to notice", seen=stack.tail)
    wait_until_in_step()
    assert (worker.poll(), relay.poll()) == (None, None)


@contextmanager
def demoted(client):
    """The broker is a replica of something that doesn't answer."""
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    yield
    client.execute_command("REPLICAOF", "NO", "ONE")


class Refusing:
    """In the broker's place: takes each connection and ends it, and counts them."""

    def __init__(self, path):
        self.count = 0
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(50)
        threading.Thread(target=self._refuse, daemon=True).start()

    def _refuse(self):
        with suppress(OSError):
            while True:
                self.listener.accept()[0].close()
                self.count += 1

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def errors(client, code):
    return client.info("errorstats").get(f"errorstat_{code}", {}).get("count", 0)


@pytest.mark.parametrize("kind", ["away", "full", "demoted"])
def test_an_outage_is_a_few_lines_in_each_log(stack, client, servers, folder, tmp_path, kind):
    logs = {name: tmp_path / f"{name}.log" for name in ("relay", "worker", "beat")}
    commands = {
        "relay": ("-m", "tests.delivery.app", "relay", "users"),
        "worker": ("-m", "tests.delivery.app", "worker", "billing"),
        "beat": ("-m", "tests.delivery.app", "scheduler"),
    }
    for name, log in logs.items():
        stack.run(name, *commands[name], log=log)
    user_register(email="ada@example.org", name="Ada")
    wait_until_in_step()
    said = lambda: {name: log.read_text().splitlines() for name, log in logs.items()}  # noqa: E731
    wait_for(lambda: "ready" in logs["worker"].read_text(), timeout=PATIENCE, what="the worker to be ready", seen=said)
    before = said()
    outage = away(servers, folder) if kind == "away" else full(client) if kind == "full" else demoted(client)
    with outage as gone:
        bob = user_register(email="bob@example.org", name="Bob")
        count = (lambda: gone.count) if kind == "away" else lambda: errors(client, {"full": "OOM", "demoted": "READONLY"}[kind])
        wait_for(lambda: count() >= REFUSALS, timeout=PATIENCE, what=f"{REFUSALS} refusals", seen=count)
        noticed = lambda: [name for name in logs if len(said()[name]) > len(before[name])]  # noqa: E731
        expected = ["relay", "beat"] if kind == "full" else ["relay", "worker", "beat"]  # a full broker gives what it has
        wait_for(lambda: set(noticed()) >= set(expected), timeout=PATIENCE, what="each to say it", seen=said)
    wait_for(lambda: cache().get(bob.pk), timeout=PATIENCE, what="Bob to arrive", seen=said)
    told = [line for line in said()["worker"] if "messaging.tasks: billing:" in line]
    more = {name: [line for line in lines[len(before[name]) :] if line not in told] for name, lines in said().items()}
    assert {name: lines for name, lines in more.items() if len(lines) > MOST_LINES} == {}
    assert all(process.poll() is None for process in stack.processes.values())


@contextmanager
def away(servers, folder):
    stop_broker(servers[-1])
    refusing = Refusing(socket_path(folder))
    yield refusing
    refusing.close()
    servers.append(start_broker(folder)[0])
