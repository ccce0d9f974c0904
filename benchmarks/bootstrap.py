"""Measures a bootstrap over HTTP during live traffic, a catch-up and a republish: rows per second, and the memory of both sides.

`python -m benchmarks.bootstrap --users 1000000 --json`. It runs real processes on PostgreSQL: the web server, the bootstrap, and a
relay and a worker for the live events. It makes its databases and drops them at the end. `--quiet` measures the bootstrap alone,
without writers, like its alternatives (`benchmarks.alternatives.pages`).
"""

import argparse
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.options import say
from benchmarks.processes import LOOK, Watched, running, start
from benchmarks.serving import execute, register, serving
from benchmarks.surroundings import migrated

RATE = 100
CHANGES, MISSING = 100_000, 10_000
PAGE = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--page-size", type=int, default=PAGE, help=f"rows per page (default {PAGE})")
    parser.add_argument("--quiet", action="store_true", help="run only the bootstrap, without live traffic, catch-up and republish")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users", "billing"):
        say(measure(options.users, options.page_size, quiet=options.quiet), options.json)


def measure(users: int, page_size: int = PAGE, *, quiet: bool = False) -> dict[str, Any]:
    seed(users)
    register()
    with serving() as web:
        with _beside(quiet):
            booted = _timed("bootstrap", "billing", "--from", "users", "--page-size", str(page_size), "--json", beside=web)
        measured = {
            "users": users,
            "verdict": booted["verdict"],
            "rows_per_second": booted["rows_per_second"],
            "seconds": booted["seconds"],
            "authority_mb": booted["beside_mb"],
            "consumer_mb": booted["own_mb"],
            "authority_cpu_us_per_row": booted["beside_cpu_us"],
            "consumer_cpu_us_per_row": booted["own_cpu_us"],
        }
        if quiet:
            return measured
        caught = _catch_up(min(CHANGES, users), web)
        return {**measured, "catch_up_rows_per_second": caught, **_republish(min(MISSING, users))}


def seed(users: int) -> None:
    """Insert users by SQL, a million in seconds. They have no event history, like a real bootstrap's users."""
    execute(
        "users",
        "INSERT INTO users_user (id, email, name, status, status_since, suspension_reason, created_at, updated_at) "
        "SELECT gen_random_uuid(), 'u' || n || '@example.org', 'User ' || n, "
        "CASE WHEN n %% 10 = 0 THEN 'suspended' ELSE 'active' END, now(), '', now(), now() FROM generate_series(1, %s) n",
        users,
    )
    execute("users", "UPDATE messaging_ledger SET announced_version = version")
    from messaging.ledger import sequencer

    sequencer.stamp_pending("users")
    execute("users", "VACUUM ANALYZE")


@contextmanager
def _beside(quiet: bool) -> Iterator[None]:
    """Run live traffic during the block, with a relay and a worker for its events."""
    if quiet:
        yield
        return
    with running(("manage.py", "relay", "users"), ("manage.py", "worker", "billing")):
        stop = threading.Event()
        traffic = threading.Thread(target=_traffic, args=(stop,))
        traffic.start()
        try:
            yield
        finally:
            stop.set()
            traffic.join()


def _traffic(stop: threading.Event) -> None:
    """Suspend and reactivate users by their services, RATE times a second."""
    from django.db import connections

    from users.models import User
    from users.services import user_reactivate, user_suspend

    ids = list(User.objects.using("users").filter(status="active").order_by("id").values_list("id", flat=True)[:1000])
    begin, number = time.monotonic(), 0
    while not stop.is_set():
        time.sleep(max(0.0, begin + number / RATE - time.monotonic()))
        user_id = ids[number % len(ids)]
        if number // len(ids) % 2 == 0:
            user_suspend(user_id=user_id, reason="benchmark")
        else:
            user_reactivate(user_id=user_id)
        number += 1
    connections.close_all()


def _timed(*arguments: str, beside: subprocess.Popen[str]) -> dict[str, Any]:
    """Run a command. Returns its JSON with its seconds, and for it and the process `beside` it the highest resident size in MB and
    the processor time per row, including the start."""
    began = time.perf_counter()
    process = start("manage.py", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    watched = {"own": Watched(process.pid), "beside": Watched(beside.pid)}
    watched["own"].before = 0.0
    while process.poll() is None:
        for one in watched.values():
            one.look()
        time.sleep(LOOK)
    said, error = process.communicate()
    if process.returncode:
        raise SystemExit(f"{arguments[0]} ended with {process.returncode}: {(said + error).strip().splitlines()[-2:]}")
    result: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    watched["beside"].look()
    return {
        **result,
        "seconds": round(time.perf_counter() - began, 1),
        **{f"{name}_mb": round(one.mb, 1) for name, one in watched.items()},
        **{f"{name}_cpu_us": round(one.seconds * 1e6 / max(1, int(result["rows"])), 1) for name, one in watched.items()},
    }


def _catch_up(changes: int, web: subprocess.Popen[str]) -> int:
    """Measure a catch-up after `changes` changes by SQL, which have no events; returns rows per second."""
    execute(
        "users",
        "UPDATE users_user SET status = 'suspended', status_since = now() WHERE id IN (SELECT id FROM users_user LIMIT %s)",
        changes,
    )
    from messaging.ledger import sequencer

    sequencer.stamp_pending("users")
    began = time.perf_counter()
    done = _timed("catch_up", "billing", "--from", "users", "--json", beside=web)
    return round(int(done["rows"]) / (time.perf_counter() - began))


def _republish(missing: int) -> dict[str, Any]:
    """Measure a republish of changes without events; returns the seconds of all of it and of the search alone."""
    from messaging.ledger import ledger

    execute(
        "users",
        "UPDATE messaging_ledger SET announced_version = version WHERE version > announced_version "
        "AND id NOT IN (SELECT id FROM messaging_ledger WHERE version > announced_version LIMIT %s)",
        missing,
    )
    began = time.perf_counter()
    found = ledger.unannounced("users").count()
    finding = time.perf_counter() - began
    began = time.perf_counter()
    from messaging.publisher.republish import republish

    republish("users")
    return {
        "republished": found,
        "republish_seconds": round(time.perf_counter() - began, 2),
        "finding_ms": round(finding * 1000, 1),
    }


if __name__ == "__main__":
    main()
