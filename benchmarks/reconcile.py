"""Measures reconcile over HTTP: seconds, bytes and round trips, and how fast each side scans its rows.

`python -m benchmarks.reconcile --users 1000000 --differences 10 --json`. It runs a real web server for the authority's API on
PostgreSQL: the one in `BENCH_POSTGRES_URL`, or one from a wheel. It makes its databases and drops them at the end. `--differences
10,100 --runs 3` compares three times with each number of differences, and prints `{"runs": [{"10": …, "100": …}, …]}`.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.options import numbers, say
from benchmarks.serving import execute, register, serving
from benchmarks.surroundings import migrated

SCANS = 3
CACHE, KEPT = "billing_cacheduser", "bench_kept"
#: The change that makes a row of the cache differ in each kind.
CHANGES = {
    "missing": f"DELETE FROM {CACHE} WHERE user_id IN (SELECT id FROM bench_planted WHERE kind = 'missing')",
    "corrupt": f"UPDATE {CACHE} SET status_since = now() WHERE user_id IN (SELECT id FROM bench_planted WHERE kind = 'corrupt')",
    "ahead": f"UPDATE {CACHE} SET version = 9 WHERE user_id IN (SELECT id FROM bench_planted WHERE kind = 'ahead')",
    "stale": f"UPDATE {CACHE} SET version = 0 WHERE user_id IN (SELECT id FROM bench_planted WHERE kind = 'stale')",
    "ghost": f"INSERT INTO {CACHE} SELECT id, 'active', now(), 1, 'event', now(), now() FROM bench_planted WHERE kind = 'ghost'",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--differences", type=numbers, default=[10])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users", "billing"):
        if options.runs:
            say({"runs": list(repeated(options.users, options.differences, options.runs))}, options.json)
        else:
            say(measure(options.users, options.differences[0]), options.json)


def measure(users: int, differences: int) -> dict[str, Any]:
    fields = register()
    fill(users)
    scans = _scans(users, fields)
    with serving():
        equal, found = _compared(0, users), _compared(differences, users)
    return {
        "users": users,
        "differences": differences,
        **found,
        **{f"in_sync_{name}": value for name, value in equal.items()},
        **scans,
    }


def repeated(users: int, differences: list[int], runs: int) -> Iterator[dict[str, Any]]:
    register()
    fill(users)
    with serving():
        _compared(0, users)  # warms up both sides
        for _ in range(runs):
            yield {str(number): _compared(number, users) for number in differences}


def fill(users: int) -> None:
    """Insert equal rows on both sides from the same seed; one in ten is suspended, one in a hundred is a tombstone."""
    ids = "md5('user ' || n)::uuid"
    status = "CASE WHEN n % 100 = 7 THEN 'erased' WHEN n % 10 = 3 THEN 'suspended' ELSE 'active' END"
    since = "timestamptz '2026-01-01 UTC' + n * interval '1.000001 s'"
    execute(
        "users",
        "INSERT INTO users_user (id, email, name, status, status_since, suspension_reason, created_at, updated_at) "
        f"SELECT {ids}, 'u' || n || '@example.org', 'User ' || n, {status}, {since}, '', now(), now() "
        f"FROM generate_series(1, {users}) n",
    )
    execute(
        "billing",
        f"INSERT INTO {CACHE} (user_id, status, status_since, version, source, authority_time, received_at) "
        f"SELECT {ids}, {status}, {since}, 1, 'bootstrap', now(), now() FROM generate_series(1, {users}) n",
    )
    for alias in ("users", "billing"):
        execute(alias, "VACUUM ANALYZE")


def _scans(users: int, fields: list[str]) -> dict[str, int]:
    """Measure each side's fingerprints; returns rows per second."""
    from messaging.consumer.cache import declared_cache
    from messaging.fingerprints import fingerprints
    from messaging.publisher.feed import declared_feed
    from messaging.settings import Alias

    feed, cache = declared_feed("users"), declared_cache("billing", "users")
    assert feed is not None
    assert cache is not None
    bounds = [["", *"123456789abcdef", ""]]
    authority = _fastest(lambda: fingerprints.of_authority(Alias("users"), feed, fields, bounds))
    copy = _fastest(lambda: fingerprints.of_cache(Alias("billing"), cache, bounds))
    return {"authority_rows_per_second": round(users / authority), "cache_rows_per_second": round(users / copy)}


def _compared(differences: int, users: int) -> dict[str, Any]:
    from messaging.replica import Replica, compare

    with planted(differences, users) as kinds:
        began = time.perf_counter()
        found = compare.compare(Replica.of("billing", "users"))
        took = time.perf_counter() - began
        assert found.verdict == ("drift" if differences else "in_sync"), found
        assert found.differing == differences, found.counts
        assert all(kinds[row["id"]] == row["kind"] for row in found.rows)
    return {"seconds": round(took, 2), "bytes": found.bytes, "round_trips": found.round_trips}


@contextmanager
def planted(differences: int, users: int) -> Iterator[dict[str, str]]:
    """Make rows differ during the block, spread over the range, with all kinds in turn. Yields each id with its kind."""
    from django.db import connections

    if not differences:
        yield {}
        return
    kinds = list(CHANGES)
    execute(
        "billing",
        "CREATE TEMP TABLE bench_planted AS SELECT (%s::text[])[n %% %s + 1] AS kind, "
        "CASE WHEN (%s::text[])[n %% %s + 1] = 'ghost' THEN md5('ghost ' || n)::uuid ELSE md5('user ' || n * %s)::uuid END AS id "
        "FROM generate_series(1, %s) n",
        *(kinds, len(kinds), kinds, len(kinds), users // differences, differences),
    )
    execute("billing", f"CREATE TEMP TABLE {KEPT} AS SELECT * FROM {CACHE} WHERE user_id IN (SELECT id FROM bench_planted)")
    try:
        for change in CHANGES.values():
            execute("billing", change)
        with connections["billing"].cursor() as cursor:
            cursor.execute("SELECT id, kind FROM bench_planted")
            yield {str(key): kind for key, kind in cursor.fetchall()}
    finally:
        execute("billing", f"DELETE FROM {CACHE} WHERE user_id IN (SELECT id FROM bench_planted)")
        execute("billing", f"INSERT INTO {CACHE} SELECT * FROM {KEPT}")
        execute("billing", f"DROP TABLE {KEPT}, bench_planted")
        execute("billing", f"VACUUM {CACHE}")  # autovacuum would come some time


def _fastest(scan: Callable[[], Any]) -> float:
    """Return the seconds of the fastest of a few runs."""
    taken = []
    for _ in range(SCANS):
        began = time.perf_counter()
        scan()
        taken.append(time.perf_counter() - began)
    return min(taken)


if __name__ == "__main__":
    main()
