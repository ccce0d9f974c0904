"""Measures what hashing a row costs PostgreSQL, by step and by other hashes than the product's md5.

`python -m benchmarks.hashes --rows 1000000 --runs 3 --json`. The rows are (id, version). The result is microseconds per row,
without those of reading it. `measured` says of what: the processor's time of the server's process if it runs on this machine, else
the time that passed.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.options import say
from benchmarks.serving import execute
from benchmarks.surroundings import migrated

TABLE = "bench_hashes"
READ = "count(id), count(version)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users"):
        _fill(options.rows)
        clock = _clock()
        for _ in range(options.runs):
            say(_measured(options.rows, clock), options.json)


def ways() -> dict[str, str]:
    """Return what to select, by name: each step of our hash with the ones before it, and other hashes of the same text."""
    from messaging.database import expressions

    text, engine = "'v ' || id::text || ' ' || version::text", expressions.PostgreSQL()
    return {
        "text": f"count({text})",
        "md5": f"count(md5({text}))",
        "md5_as_bits": f"{engine.xor}({engine.hash('v', 'id::text', 'version::text')})",
        "sha224": f"count(sha224(convert_to({text}, 'UTF8')))",
        "sha256": f"count(sha256(convert_to({text}, 'UTF8')))",
        "hashtextextended": f"{engine.xor}({engine.quick_hash(text, 'false')})",
    }


def _fill(rows: int) -> None:
    """Make the table. One process reads it, so that its time is all of the time."""
    execute("users", "SET max_parallel_workers_per_gather = 0")
    execute("users", f"CREATE TEMP TABLE {TABLE} (id uuid, version bigint)")
    execute("users", f"INSERT INTO {TABLE} SELECT md5('user ' || n)::uuid, n %% 9 FROM generate_series(1, %s) n", rows)
    execute("users", f"ANALYZE {TABLE}")


def _measured(rows: int, clock: Callable[[], float]) -> dict[str, Any]:
    reading = _seconds(READ, clock)
    found = {name: round((_seconds(selected, clock) - reading) / rows * 1e6, 3) for name, selected in ways().items()}
    return {"measured": "seconds" if clock is time.perf_counter else "processor", **found}


def _seconds(selected: str, clock: Callable[[], float]) -> float:
    began = clock()
    execute("users", f"SELECT {selected} FROM {TABLE}")
    return clock() - began


def _clock() -> Callable[[], float]:
    """Return a clock of the processor's time that the connection's process in the server has used; the wall's if it isn't here."""
    from django.db import connections

    with connections["users"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        process = Path(f"/proc/{cursor.fetchone()[0]}")
    if not process.exists() or (process / "comm").read_text().strip() != "postgres":
        return time.perf_counter
    ticks = os.sysconf("SC_CLK_TCK")

    def used() -> float:
        fields = (process / "stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    return used


if __name__ == "__main__":
    main()
