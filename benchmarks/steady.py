"""Measures latency at a steady rate: milliseconds from a writer's commit until another connection sees the cache row.

The cache's table announces its commits (NOTIFY), because a polling watcher would take processor time from the measured programs.
"""

import statistics
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

#: Transactions per second of one writer, which can't commit a thousand. A higher rate puts more changes into each.
MOST_COMMITS = 100
#: Seconds after the last write until a missing change counts as not arrived.
GRACE = 4.0

#: (row's id as text, its version)
Key = tuple[str, int]


def install(url: str, table: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION bench_seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM pg_notify('bench', NEW.user_id || ' ' || NEW.version); RETURN NULL; END $$"
        )
        connection.execute(
            f'CREATE TRIGGER bench_seen AFTER UPDATE ON "{table}" FOR EACH ROW EXECUTE FUNCTION bench_seen()'  # type: ignore[arg-type]
        )


class Watcher(threading.Thread):
    """Records when each version of each row was first seen."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.seen: dict[Key, float] = {}
        self.finished = threading.Event()
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("LISTEN bench")
        self.start()

    def run(self) -> None:
        while not self.finished.is_set():
            for note in self.connection.notifies(timeout=0.2):
                user_id, version = note.payload.split()
                self.seen.setdefault((user_id, int(version)), time.perf_counter())

    def close(self) -> None:
        self.finished.set()
        self.join()
        self.connection.close()


def latencies(url: str, table: str, rates: Iterable[int], seconds: float, write: Callable[[int], list[Key]]) -> dict[str, Any]:
    """Return p50_ms, p95_ms, p99_ms and `behind` by rate, as text. `behind` is the number of changes that came too late; with any,
    the percentiles are lower bounds. `write(n)` changes n rows in one transaction and returns the expected cache rows."""
    install(url, table)
    watcher = Watcher(url)
    try:
        return {str(rate): _at(rate, seconds, write, watcher) for rate in rates}
    finally:
        watcher.close()


def _at(rate: int, seconds: float, write: Callable[[int], list[Key]], watcher: Watcher) -> dict[str, Any]:
    commits = min(rate, MOST_COMMITS)
    committed: dict[Key, float] = {}
    begin = time.perf_counter()
    for number in range(max(2, round(commits * seconds))):
        time.sleep(max(0.0, begin + number / commits - time.perf_counter()))
        keys = write(rate // commits)
        now = time.perf_counter()
        committed.update(dict.fromkeys(keys, now))
    offered = len(committed) / (time.perf_counter() - begin)
    deadline = time.perf_counter() + GRACE
    while (missing := committed.keys() - watcher.seen.keys()) and time.perf_counter() < deadline:
        time.sleep(0.02)
    now = time.perf_counter()
    values = [(watcher.seen.get(key, now) - at) * 1000 for key, at in committed.items()]
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    p50, p95, p99 = (round(cuts[place], 1) for place in (49, 94, 98))
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "behind": len(missing), "offered_per_second": round(offered, 1)}
