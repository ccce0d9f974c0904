"""Contexts that live apart: own processes, settings, ports, databases, roles. Between them: a URL, a token, one broker."""

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.contexts import CONTEXTS
from config.runner.programs import programs as run_by_make
from tests.apart.conftest import PASSWORD, Server
from tests.apart.deployment import Deployment, programs
from tests.probes import wait_for

PATIENCE = 30.0
Ask = Callable[..., list[tuple[Any, ...]]]


def asking(server: Server, context: str) -> Ask:
    """Ask a context's database, as its own role."""

    def ask(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(server.as_role(context, context), autocommit=True) as connection:
            cursor = connection.execute(sql, parameters)  # type: ignore[call-overload]  # literals of these tests
            return list(cursor.fetchall()) if cursor.description else []

    return ask


@pytest.fixture
def at_users(server: Server) -> Ask:
    return asking(server, "users")


@pytest.fixture
def at_billing(server: Server) -> Ask:
    return asking(server, "billing")


def copy_of(user: uuid.UUID, at_billing: Ask) -> tuple[Any, ...]:
    found = at_billing("SELECT status, source FROM billing_cacheduser WHERE user_id = %s", user)
    return found[0] if found else ()


def service(users: Deployment, call: str) -> uuid.UUID:
    """Call one of users' services in a process of users' deployment; returns the user's id."""
    return uuid.UUID(users.manage("shell", "-v0", "-c", f"from users.services import *\nprint({call}.pk)"))


@pytest.mark.parametrize(("procfile", "contexts"), [("Procfile.users", 1), ("Procfile.billing", 1), ("Procfile", 2)])
def test_procfiles_list_what_make_run_runs(procfile: str, contexts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere")  # a broker that isn't ours to start
    names = [procfile.partition(".")[2]] if contexts == 1 else ["users", "billing"]
    assert sorted(programs(procfile)) == sorted(program.name for program in run_by_make(names, 8000))
    assert all(f"CONTEXTS={','.join(names)} " in command for command in programs(procfile).values())
    assert set(names) <= set(CONTEXTS)


@pytest.mark.parametrize(("role", "database"), [("users", "billing"), ("billing", "users")])
def test_a_role_reaches_its_own_database_and_not_the_others(server: Server, role: str, database: str, started: Any) -> None:
    for name in (role, f"{role}_django"):
        psycopg.connect(server.as_role(role, name)).close()
    for name in (database, f"{database}_django"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(server.as_role(role, name))


@pytest.mark.parametrize(("mine", "others"), [("users", "billing"), ("billing", "users")])
def test_a_brokers_user_reads_its_own_queue_and_only_writes_to_the_others(broker_socket: str, mine: str, others: str) -> None:
    once = Retry(NoBackoff(), 0)  # a refusal stays one
    with redis.Redis(unix_socket_path=broker_socket, username=mine, password=PASSWORD, retry=once) as client:
        client.lrange(mine, 0, -1)
        client.llen(others)
        for read in (lambda: client.lrange(others, 0, -1), lambda: client.rpop(others)):
            with pytest.raises(redis.exceptions.NoPermissionError):
                read()
    with redis.Redis(unix_socket_path=broker_socket, retry=once) as nobody, pytest.raises(redis.exceptions.AuthenticationError):
        nobody.llen(mine)


def test_each_process_has_its_own_databases_urls_and_secrets(users: Deployment, billing: Deployment, started: Any) -> None:
    for box, own, other in ((users, "users", "billing"), (billing, "billing", "users")):
        code, told = box.get("/readyz")
        assert (code, set(told["databases"]), set(told["queues"])) == (200, {"default", own}, {own})
        assert (box.get(f"/api/{own}/contracts/")[0], box.get(f"/api/{other}/contracts/")[0]) == (200, 404)
        assert f"{other.upper()}_DATABASE_URL" not in box.environment
        assert f'messaging_outbox_pending{{context="{own}"}}' in box.get("/metrics")[1]
    assert users.environment["SECRET_KEY"] != billing.environment["SECRET_KEY"]


def test_the_past_comes_by_bootstrap(started: dict[str, Any], at_billing: Ask) -> None:
    assert (started["state"], started["rows"], started["verdict"]) == ("live", 200, "in_sync")
    ((by_bootstrap,),) = at_billing("SELECT count(*) FROM billing_cacheduser WHERE source = 'bootstrap'")
    assert by_bootstrap > 150  # events and repairs move some of them on


def test_the_present_comes_by_events_both_ways(users: Deployment, billing: Deployment, started: Any, at_billing: Ask) -> None:
    user = service(users, "user_register(email='ada@example.org', name='Ada')")
    wait_for(lambda: copy_of(user, at_billing) == ("active", "event"), timeout=PATIENCE, what="Ada to arrive", seen=billing.tail)
    billing.manage("generate_invoices", "--period", "2026-10", "--json")
    ((invoice,),) = at_billing("SELECT id FROM billing_invoice WHERE user_id = %s", user)
    call = f"from billing.services import *\ninvoice_mark_overdue(invoice_id='{invoice}')"
    billing.manage("shell", "-v0", "-c", call)
    wait_for(
        lambda: copy_of(user, at_billing) == ("suspended", "event"),
        timeout=PATIENCE,
        what="the overdue invoice to suspend her, and the suspension to come back",
        seen=lambda: (copy_of(user, at_billing), users.tail(), billing.tail()),
    )


def test_a_silent_change_is_pulled_and_both_sides_are_equal(
    billing: Deployment, started: Any, at_users: Ask, at_billing: Ask
) -> None:
    ((user,),) = at_users("SELECT id FROM users_user WHERE status = 'active' ORDER BY id LIMIT 1")
    at_users("UPDATE users_user SET status = 'suspended' WHERE id = %s", user)
    wait_for(lambda: copy_of(user, at_billing)[:1] == ("suspended",), timeout=PATIENCE, what="the silent change", seen=billing.tail)
    assert billing.manage("reconcile", "billing", "--from", "users", "--json")["verdict"] == "in_sync"


def test_a_silent_overdue_invoice_is_pulled_and_suspends(users: Deployment, started: Any, at_users: Ask, at_billing: Ask) -> None:
    ((invoice, user),) = at_billing("SELECT id, user_id FROM billing_invoice WHERE status = 'issued' ORDER BY id LIMIT 1")
    at_billing("UPDATE billing_invoice SET status = 'overdue' WHERE id = %s", invoice)
    status = lambda: at_users("SELECT status, suspension_reason FROM users_user WHERE id = %s", user)  # noqa: E731
    wait_for(lambda: status() == [("suspended", "overdue")], timeout=PATIENCE, what="the suspension", seen=users.tail)
    assert users.manage("reconcile", "users", "--from", "billing", "--json")["verdict"] == "in_sync"


def test_billing_goes_on_while_users_is_down_and_catches_up_afterwards(
    users: Deployment, billing: Deployment, started: Any, at_users: Ask, at_billing: Ask
) -> None:
    users.stop()
    assert billing.manage("reconcile", "billing", "--from", "users", "--json", code=3)
    run = billing.manage("generate_invoices", "--period", "2026-09", "--json")
    assert run["issued"] > 100
    assert run["held"] == 0
    code, told = billing.get("/readyz")
    assert (code, told["ready"], told["broker"]) == (200, True, "ok")
    ((user,),) = at_users("SELECT id FROM users_user WHERE status = 'active' ORDER BY id DESC LIMIT 1")
    service(users, f"user_suspend(user_id='{user}', reason='while everything of users was down')")
    assert copy_of(user, at_billing)[:1] == ("active",)
    users.start()
    wait_for(lambda: copy_of(user, at_billing)[:1] == ("suspended",), timeout=PATIENCE, what="the suspension", seen=billing.tail)
    assert billing.manage("reconcile", "billing", "--from", "users", "--json")["verdict"] == "in_sync"
