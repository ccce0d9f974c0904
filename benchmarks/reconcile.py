"""Reconcile over HTTP: how long, how many bytes and round trips; and how fast each side scans its rows.

`python -m benchmarks.reconcile --users 1000000 --differences 10 --json`. A real server for the authority's API, on PostgreSQL:
that of `BENCH_POSTGRES_URL`, else the one that comes as a wheel. Its databases are made for the run and dropped after it.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from benchmarks.surroundings import surroundings

SCANS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--differences", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with surroundings():
        result = measure(options.users, options.differences)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:>28}  {value}")


def measure(users: int, differences: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from messaging import conf, fingerprints, reconcile

    for alias in ("default", "users", "billing"):
        call_command("migrate", database=alias, verbosity=0)
    fields = _register()
    _fill(users)
    feed, cache = conf.feed("users"), conf.cache("billing", "users")
    assert feed is not None
    assert cache is not None
    bounds = [["", *"123456789abcdef", ""]]
    authority = _seconds(lambda: fingerprints.of_authority("users", feed, fields, bounds))
    copy = _seconds(lambda: fingerprints.of_cache("billing", cache, bounds))
    with _serving():
        equal, took_equal = _timed(lambda: reconcile.compare("billing", "users"))
        assert equal.verdict == "in_sync", equal
        planted = _plant(differences, users)
        found, took = _timed(lambda: reconcile.compare("billing", "users"))
        assert found.differing == differences, found.counts
        assert all(planted[row["id"]] == row["kind"] for row in found.rows)
    return {
        "users": users,
        "differences": differences,
        "seconds": round(took, 2),
        "bytes": found.bytes,
        "round_trips": found.round_trips,
        "in_sync_seconds": round(took_equal, 2),
        "in_sync_bytes": equal.bytes,
        "in_sync_round_trips": equal.round_trips,
        "authority_rows_per_second": round(users / authority),
        "cache_rows_per_second": round(users / copy),
    }


def _register() -> list[str]:
    from messaging import registry, tokens

    types, fields = registry.wanted("billing", "users") or ([], [])
    registry.register_consumer(authority="users", name="billing", types=types, fields=fields)
    os.environ["USERS_API_TOKEN"] = tokens.issue_token(authority="users", name="billing", ttl=timedelta(hours=1))
    return fields


def _fill(users: int) -> None:
    """Equal rows on both sides, each from the same seed; one in ten is suspended, one in a hundred is a tombstone."""
    ids = "md5('user ' || n)::uuid"
    status = "CASE WHEN n % 100 = 7 THEN 'erased' WHEN n % 10 = 3 THEN 'suspended' ELSE 'active' END"
    since = "timestamptz '2026-01-01 UTC' + n * interval '1.000001 s'"
    _execute(
        "users",
        "INSERT INTO users_user (id, email, name, status, status_since, suspension_reason, created_at, updated_at) "
        f"SELECT {ids}, 'u' || n || '@example.org', 'User ' || n, {status}, {since}, '', now(), now() "
        f"FROM generate_series(1, {users}) n",
    )
    _execute(
        "billing",
        "INSERT INTO billing_cacheduser (user_id, status, status_since, version, source, authority_time, received_at) "
        f"SELECT {ids}, {status}, {since}, 1, 'bootstrap', now(), now() FROM generate_series(1, {users}) n",
    )
    for alias in ("users", "billing"):
        _execute(alias, "VACUUM ANALYZE")


def _plant(differences: int, users: int) -> dict[str, str]:
    """Rows that differ, all over the range, of every kind in turn; returns id to kind."""
    table, returning = "billing_cacheduser", "WHERE user_id = %s RETURNING user_id"
    changes = {
        "missing": f"DELETE FROM {table} {returning}",
        "corrupt": f"UPDATE {table} SET status_since = now() {returning}",
        "ahead": f"UPDATE {table} SET version = 9 {returning}",
        "stale": f"UPDATE {table} SET version = 0 {returning}",
        "ghost": f"INSERT INTO {table} VALUES (md5(%s::text)::uuid, 'active', now(), 1, 'event', now(), now()) RETURNING user_id",
    }
    planted = {}
    for number in range(1, differences + 1):
        kind = list(changes)[number % len(changes)]
        (key,) = _execute("billing", "SELECT md5('user ' || %s::int)::uuid", number * (users // differences))
        (changed,) = _execute("billing", changes[kind], key)
        planted[str(changed)] = kind
    return planted


def _execute(alias: str, sql: str, *parameters: Any) -> Any:
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchone() if cursor.description else None


def _seconds(scan: Callable[[], Any]) -> float:
    """Of the fastest of a few."""
    return min(_timed(scan)[1] for _ in range(SCANS))


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


@contextmanager
def _serving() -> Iterator[None]:
    """The authority's API, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["USERS_API_URL"] = f"http://127.0.0.1:{port}"
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    environment = {**os.environ, "DEBUG": "1"}  # without it plain HTTP is sent on to HTTPS
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The API's server did not start.")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


if __name__ == "__main__":
    main()
