"""Bootstrap over HTTP beside live traffic, then a catch-up and a republish: rows per second, and the memory of either side.

`python -m benchmarks.bootstrap --users 1000000 --json`. Real processes on PostgreSQL: the web server, the bootstrap, a relay and a
worker for the live events. Its databases are made for the run and dropped after it.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import psutil

from benchmarks.surroundings import surroundings

RATE = 100
CHANGES, MISSING = 100_000, 10_000
PAGE = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--page-size", type=int, default=PAGE, help=f"rows a page, {PAGE} by default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with surroundings():
        result = measure(options.users, options.page_size)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:>24}  {value}")


def measure(users: int, page_size: int) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ.update(USERS_API_URL=f"http://127.0.0.1:{port}", DEBUG="1")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    for alias in ("default", "users", "billing"):
        call_command("migrate", database=alias, verbosity=0)
    _seed(users)
    os.environ["USERS_API_TOKEN"] = _register()
    with connections["users"].cursor() as cursor:
        cursor.execute("ANALYZE")
    web = _start("manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
    relay = _start("manage.py", "relay", "users")
    worker = _start(
        "-m",
        "celery",
        "-A",
        "config",
        "worker",
        "-Q",
        "billing",
        "-c",
        "1",
        "-l",
        "WARNING",
        "--without-gossip",
        "--without-mingle",
    )
    try:
        _wait_for(port)
        stop = threading.Event()
        traffic = threading.Thread(target=_traffic, args=(stop,))
        traffic.start()
        try:
            booted = _timed("bootstrap", "billing", "--from", "users", "--page-size", str(page_size), "--json", beside=web)
        finally:
            stop.set()
            traffic.join()
        caught = _catch_up(min(CHANGES, users), web)
        republished = _republish(min(MISSING, users))
    finally:
        for process in (web, relay, worker):
            process.terminate()
        for process in (web, relay, worker):
            process.wait(timeout=30)
    return {
        "users": users,
        "verdict": booted["verdict"],
        "rows_per_second": booted["rows_per_second"],
        "seconds": booted["seconds"],
        "authority_mb": booted["beside_mb"],
        "consumer_mb": booted["own_mb"],
        "authority_cpu_us_per_row": booted["beside_cpu_us"],
        "consumer_cpu_us_per_row": booted["own_cpu_us"],
        "catch_up_rows_per_second": caught,
        **republished,
    }


def _start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, *arguments], env=os.environ.copy(), stderr=subprocess.DEVNULL, text=True, **options)


def _seed(users: int) -> None:
    """By SQL: a million users in seconds. Their history is gone, as in the bootstrap's own case."""
    from django.db import connections

    with connections["users"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO users_user (id, email, name, status, status_since, suspension_reason, created_at, updated_at) "
            "SELECT gen_random_uuid(), 'u' || n || '@example.org', 'User ' || n, "
            "CASE WHEN n %% 10 = 0 THEN 'suspended' ELSE 'active' END, now(), '', now(), now() FROM generate_series(1, %s) n",
            [users],
        )
        cursor.execute("UPDATE messaging_ledger SET announced_version = version")
    from messaging import sequencer

    sequencer.stamp_pending("users")
    with connections["users"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _register() -> str:
    from datetime import timedelta

    from messaging import registry, tokens

    types, fields = registry.wanted("billing", "users") or ([], [])
    registry.register_consumer(authority="users", name="billing", types=types, fields=fields)
    return tokens.issue_token(authority="users", name="billing", ttl=timedelta(hours=2))


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/users/contracts/", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit("The web server didn't start within 60 s.")


def _traffic(stop: threading.Event) -> None:
    """Suspensions and reactivations, RATE a second, as services make them."""
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
    """Run a command; its JSON, with its seconds, and of it and of the process beside it the highest resident size in MB and the
    processor's time for a row, start included: that says something on a busy machine too."""
    began = time.perf_counter()
    process = _start("manage.py", *arguments, stdout=subprocess.PIPE)
    watched = {"own": psutil.Process(process.pid), "beside": psutil.Process(beside.pid)}
    peaks, used, before = dict.fromkeys(watched, 0.0), dict.fromkeys(watched, 0.0), _used(watched["beside"])
    while process.poll() is None:
        try:
            for name, one in watched.items():
                peaks[name] = max(peaks[name], one.memory_info().rss / 2**20)
                used[name] = _used(one)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.2)
    said = process.stdout.read() if process.stdout else ""
    if process.wait() not in (0, 1):
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}: {said}")
    result: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    used["beside"] = _used(watched["beside"]) - before
    return {
        **result,
        "seconds": round(time.perf_counter() - began, 1),
        **{f"{name}_mb": round(peak, 1) for name, peak in peaks.items()},
        **{f"{name}_cpu_us": round(seconds * 1e6 / max(1, int(result["rows"])), 1) for name, seconds in used.items()},
    }


def _used(process: psutil.Process) -> float:
    """Seconds of the processor."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _catch_up(changes: int, web: subprocess.Popen[str]) -> int:
    """Rows a second of a catch-up after so many changes by SQL, which had no event."""
    from django.db import connections

    with connections["users"].cursor() as cursor:
        cursor.execute(
            "UPDATE users_user SET status = 'suspended', status_since = now() WHERE id IN (SELECT id FROM users_user LIMIT %s)",
            [changes],
        )
    from messaging import sequencer

    sequencer.stamp_pending("users")
    began = time.perf_counter()
    done = _timed("catch_up", "billing", "--from", "users", "--json", beside=web)
    return round(int(done["rows"]) / (time.perf_counter() - began))


def _republish(missing: int) -> dict[str, Any]:
    """Seconds to find and record what had no event, and how long the finding alone takes."""
    from django.db import connections

    from messaging import ledger

    with connections["users"].cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_ledger SET announced_version = version WHERE version > announced_version "
            "AND id NOT IN (SELECT id FROM messaging_ledger WHERE version > announced_version LIMIT %s)",
            [missing],
        )
    began = time.perf_counter()
    found = ledger.unannounced("users").count()
    finding = time.perf_counter() - began
    began = time.perf_counter()
    from messaging.republish import republish

    republish("users")
    return {
        "republished": found,
        "republish_seconds": round(time.perf_counter() - began, 2),
        "finding_ms": round(finding * 1000, 1),
    }


if __name__ == "__main__":
    main()
