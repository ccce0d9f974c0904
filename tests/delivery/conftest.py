"""A broker and a stack of processes for every test of delivery."""

import os
import socket
import tempfile
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from kombu import Connection

from messaging.models import Consumer
from messaging.publisher import tokens
from messaging.replica.replica import Replica
from messaging.transport.queues import queue
from tests.delivery.stack import Stack
from tests.probes import alone
from users.seeding import demo_users, save

RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"


def rabbitmq_answers():
    try:
        socket.create_connection(("127.0.0.1", 5672), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def valkey():
    """Redis or Valkey: the server that `TEST_REDIS_URL` names, else the embedded one."""
    if given := os.environ.get("TEST_REDIS_URL"):
        yield given
        return
    from config.runner.broker_server import broker as embedded

    with embedded() as url:
        yield url


def brokers():
    """SQLite goes with the embedded broker, as `make run` has them. RabbitMQ goes with PostgreSQL, where one answers: what it does
    with a message doesn't depend on the engine."""
    if os.environ["USERS_DATABASE_URL"].startswith("sqlite"):
        return ["valkey"]
    return ["valkey", pytest.param("rabbitmq", marks=pytest.mark.skipif(not rabbitmq_answers(), reason="no RabbitMQ"))]


def each_once():
    """One broker, for what is long: RabbitMQ where it is beside PostgreSQL, the embedded one with SQLite. So each engine and each
    broker has it once; shorter tests have every pair."""
    return brokers()[-1:] if rabbitmq_answers() else ["valkey"]


@pytest.fixture(params=brokers())
def broker(request):
    url = request.getfixturevalue("valkey") if request.param == "valkey" else RABBITMQ
    with alone(Path(tempfile.gettempdir()) / "tests-rabbitmq.lock") if url == RABBITMQ else nullcontext():
        _empty(url, request.param)
        yield url


def _empty(url, kind):
    with Connection(url) as connection:
        for name in ("users", "billing"):
            bound = queue(name).bind(connection.default_channel)
            bound.declare()
            bound.purge()
        if kind == "valkey":
            # What a worker held when an earlier test killed it comes back from here, seconds later.
            connection.default_channel.client.flushdb()


@pytest.fixture
def stack(request, broker, transactional_db):
    """Processes on this test's databases; what they printed is shown where the test fails."""
    running = Stack(broker)
    yield running
    running.close()
    report = getattr(request.node, "report", None)
    if report is not None and report.failed:
        print(running.tail())
    running.log.unlink()


@pytest.fixture
def registered(transactional_db):
    """Billing gets the users' events, and users those of the invoices."""
    from billing.handlers import HANDLERS as BILLING
    from users.handlers import HANDLERS as USERS

    Consumer.objects.using("users").create(name="billing", queue="billing", types=list(BILLING), fields=["status", "status_since"])
    Consumer.objects.using("billing").create(name="users", queue="users", types=list(USERS), fields=["status", "user_id"])


@pytest.fixture
def living(stack, registered, settings):
    """Fifty users in both contexts, every process running, and the copy live."""
    from messaging.celery import app
    from messaging.replica import bootstrap

    token = tokens.issue_token(authority="users", name="billing", ttl=timedelta(hours=1))
    stack.environment["USERS_API_TOKEN"] = token
    url = stack.web()
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda name: url, "API_TOKEN": lambda consumer, name: token}
    save(demo_users(50), with_events=False)
    bootstrap.bootstrap(Replica.of("billing", "users"), app)
    stack.relay("users")
    stack.worker("billing")
    return stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        item.report = report
    return report
