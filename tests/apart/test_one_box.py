"""Both contexts on one box, by the Procfile for that: databases in files, and a broker that is there already."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.runner.broker_server import broker as embedded
from tests.apart.deployment import Deployment
from tests.probes import wait_for

PATIENCE = 30.0


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Deployment]:
    with embedded() as url:
        deployment = Deployment("Procfile", tmp_path, CONTEXTS="users,billing", CELERY_BROKER_URL=url)
        try:
            yield deployment
        finally:
            deployment.stop()


def suspended(box: Deployment) -> list[tuple[str]]:
    """Billing's rows that an event says are suspended."""
    connection = sqlite3.connect(box.folder / "billing.sqlite3")
    try:
        return connection.execute(
            "SELECT source FROM billing_cacheduser WHERE status = 'suspended' AND source = 'event'"
        ).fetchall()
    finally:
        connection.close()


def test_the_procfile_for_one_box_runs_both_contexts(box: Deployment) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: box.manage("migrate", "-v0", "--database", name), ("default", "users", "billing")))
    box.manage("seed", "--users", "20")
    box.manage("consumers", "register", "billing", "--to", "users")
    box.start()
    assert box.manage("bootstrap", "billing", "--from", "users", "--json")["verdict"] == "in_sync"
    suspend = "from users.services import *\nfor user in User.objects.using('users')[:3]: user_suspend(user_id=user.pk, reason='x')"
    box.manage("shell", "-v0", "-c", suspend)
    wait_for(lambda: len(suspended(box)) == 3, timeout=PATIENCE, what="three suspensions by events", seen=box.tail)
    code, told = box.get("/readyz")
    assert (code, set(told["databases"]), set(told["queues"])) == (200, {"default", "users", "billing"}, {"users", "billing"})
