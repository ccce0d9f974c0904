"""From committed outbox rows to applied cache rows: events per second, then latency at a steady rate.

`python -m benchmarks.relay_to_cache --events 50000 --json`. Real relay and worker processes on PostgreSQL and a Redis-like broker:
those of `BENCH_POSTGRES_URL` and `BENCH_BROKER_URL`, else the ones that come as wheels. Its databases are made for the run and
dropped after it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import psutil

from benchmarks.surroundings import surroundings

RATE, SECONDS = 100, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with surroundings():
        result = measure(options.events)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:>20}  {value}")


def measure(events: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    for alias in ("default", "users", "billing"):
        call_command("migrate", database=alias, verbosity=0)
    _register()
    users = _record(events)
    processes = [_start("manage.py", "relay", "users"), _start("-m", "celery", *_WORKER)]
    try:
        _wait_until_applied(1)
        # From the first applied row on: the start of two Python processes isn't what is measured.
        began, already = time.perf_counter(), _done()
        peaks = _wait_until_applied(events, processes)
        seconds = time.perf_counter() - began
        latencies = _latencies(users[:RATE])
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)
    return {
        "events": events,
        "events_per_second": round((events - already) / seconds),
        "p50_ms": round(statistics.median(latencies), 1),
        "p99_ms": round(statistics.quantiles(latencies, n=100)[98], 1),
        "relay_mb": round(peaks[0], 1),
        "worker_mb": round(peaks[1], 1),
    }


_WORKER = ("-A", "config", "worker", "-Q", "billing", "-c", "1", "-l", "WARNING", "--without-gossip", "--without-mingle")


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *arguments], env=os.environ.copy())


def _register() -> None:
    from billing.handlers import HANDLERS
    from messaging.models import Consumer

    Consumer.objects.using("users").create(name="billing", queue="billing", types=list(HANDLERS), fields=["status", "status_since"])


def _record(events: int) -> list[Any]:
    from django.db import transaction

    from users.models import User
    from users.services import users_announce_created

    first: list[Any] = []
    for start in range(0, events, 2000):
        users = [User(email=f"u{start + n}@example.org", name=f"User {n}") for n in range(min(2000, events - start))]
        with transaction.atomic(using="users"):
            User.objects.using("users").bulk_create(users)
            users_announce_created(users)
        first = first or users
    return first


def _done() -> int:
    from django.db import connections

    with connections["billing"].cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(applied + obsolete), 0) FROM messaging_subscription")
        return int(cursor.fetchone()[0])


def _wait_until_applied(events: int, processes: list[subprocess.Popen[bytes]] | None = None) -> list[float]:
    """Wait; returns the highest resident size in MB of each process with its children, each child on its own."""
    peaks, deadline = [0.0] * len(processes or []), time.monotonic() + 600
    while _done() < events:
        for number, process in enumerate(processes or []):
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            peaks[number] = max([peaks[number], *(member.memory_info().rss / 2**20 for member in family)])
        if time.monotonic() > deadline:
            raise SystemExit(f"Only {_done()} of {events} events were applied within 600 s.")
        time.sleep(0.25)
    return peaks


def _latencies(users: list[Any]) -> list[float]:
    """Milliseconds from commit to a visible cache row, at RATE events a second."""
    import threading

    from django.db import connections

    from users.services import user_reactivate, user_suspend

    committed: dict[tuple[str, int], float] = {}
    seen: dict[tuple[str, int], float] = {}
    finished = threading.Event()

    with connections["billing"].cursor() as cursor:
        # The cache's commits announce themselves: a watcher that polls would take the processor from what it measures.
        cursor.execute(
            "CREATE FUNCTION bench_seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM pg_notify('bench', NEW.user_id || ' ' || NEW.version); RETURN NULL; END $$"
        )
        cursor.execute("CREATE TRIGGER bench_seen AFTER UPDATE ON billing_cacheduser FOR EACH ROW EXECUTE FUNCTION bench_seen()")

    listening = threading.Event()

    def watch() -> None:
        with connections["billing"].cursor() as cursor:
            cursor.execute("LISTEN bench")
        listening.set()
        while not finished.is_set() or len(seen) < len(committed):
            for note in connections["billing"].connection.notifies(timeout=1, stop_after=1):
                user_id, version = note.payload.split()
                seen[user_id, int(version)] = time.perf_counter()
        connections.close_all()

    watcher = threading.Thread(target=watch)
    watcher.start()
    listening.wait()
    begin = time.perf_counter()
    for number in range(RATE * SECONDS):
        time.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
        user = users[number % len(users)]
        round_ = number // len(users)
        if round_ % 2 == 0:
            user_suspend(user_id=user.pk, reason="benchmark")
        else:
            user_reactivate(user_id=user.pk)
        committed[str(user.pk), round_ + 2] = time.perf_counter()
    finished.set()
    watcher.join(timeout=60)
    return [(seen[key] - committed[key]) * 1000 for key in committed if key in seen]


if __name__ == "__main__":
    main()
