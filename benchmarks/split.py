"""Measures a split during live writes: rows per second of the load, and how long writers are held at the flip.

`python -m benchmarks.split --users 100000 --json`. The monolith's users move to `users`, while a writer changes some of them at
their present owner. `--by copy` measures the alternative: stop the writers, COPY the table, continue at the new place.
"""

import argparse
import json
import os
import subprocess
import threading
import time
from typing import Any

from benchmarks.copying import copy
from benchmarks.options import say
from benchmarks.processes import start
from benchmarks.serving import execute, serving
from benchmarks.surroundings import migrated

RATE = 100
#: Seconds between two tries of a writer that is refused during the hand-over.
AGAIN = 0.002
COLUMNS = "id, email, name, status, status_since, suspension_reason, created_at, updated_at"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--by", choices=("split", "copy"), default="split")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users", "billing", "monolith"):
        say({"users": options.users, **{"split": by_split, "copy": by_copy}[options.by](options.users)}, options.json)


def by_split(users: int) -> dict[str, Any]:
    seed(users)
    with serving(), Writer() as writer:
        loaded = _split()
        flipped = _split("--flip")
        writer.wait_for("users")
    return {
        "rows_per_second": loaded["rows_per_second"],
        "pause_ms": flipped["pause_ms"],
        "longest_wait_ms": writer.longest_wait_ms,
        "writes": writer.writes,
        "verdict": flipped["verdict"],
    }


def by_copy(users: int) -> dict[str, Any]:
    """Copy the table in one transaction that keeps writers out."""
    import psycopg

    seed(users)
    with Writer() as writer, psycopg.connect(os.environ["MONOLITH_DATABASE_URL"]) as held:
        writer.wait_for("monolith")
        began = time.perf_counter()
        held.execute("LOCK TABLE monolith_user IN SHARE MODE")
        copy(
            os.environ["MONOLITH_DATABASE_URL"],
            f"SELECT {COLUMNS} FROM monolith_user",
            os.environ["USERS_DATABASE_URL"],
            f"users_user ({COLUMNS})",
        )
        writer.place = "users"
        took = time.perf_counter() - began
        held.commit()
        writer.wait_for("users")
    return {
        "rows_per_second": round(users / took),
        "pause_ms": round(took * 1000),
        "longest_wait_ms": writer.longest_wait_ms,
        "writes": writer.writes,
    }


def seed(users: int) -> None:
    execute(
        "monolith",
        f"INSERT INTO monolith_user ({COLUMNS}) SELECT md5('user ' || n)::uuid, 'u' || n || '@example.org', 'User ' || n, "
        "'active', now(), '', now(), now() FROM generate_series(1, %s) n",
        users,
    )
    execute("monolith", "UPDATE messaging_ledger SET announced_version = version")
    execute("monolith", "VACUUM ANALYZE")


def _split(*words: str) -> dict[str, Any]:
    process = start("manage.py", "split", "users", *words, "--json", stdout=subprocess.PIPE)
    said, _ = process.communicate(timeout=600)
    if process.returncode:
        raise SystemExit(f"split {' '.join(words)} ended with {process.returncode}: {said}")
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return found


class Writer(threading.Thread):
    """Changes a user's name RATE times a second at the present owner. `longest_wait_ms` is the longest time of a write, counted
    from its first try."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.place = "monolith"
        self.stop = threading.Event()
        self.counts = {"monolith": 0, "users": 0}
        self.longest = 0.0
        self.failed: Exception | None = None

    @property
    def writes(self) -> int:
        return sum(self.counts.values())

    @property
    def longest_wait_ms(self) -> int:
        return round(self.longest * 1000)

    def __enter__(self) -> "Writer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.join()

    def wait_for(self, place: str) -> None:
        """Wait until it has written there."""
        before, deadline = self.counts[place], time.monotonic() + 60
        while self.counts[place] == before:
            if self.failed or time.monotonic() > deadline:
                raise SystemExit(f"The writer wrote nothing at {place}: {self.failed}")
            time.sleep(0.01)

    def run(self) -> None:
        from django.db import connections

        begin = time.perf_counter()
        try:
            number = 0
            while not self.stop.is_set():
                time.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
                number += 1
                self._write(number)
        except Exception as error:
            self.failed = error
        finally:
            connections.close_all()

    def _write(self, number: int) -> None:
        from messaging.errors import MovedAway, Moving
        from messaging.ownership.ownership import writing

        began = time.perf_counter()
        while not self.stop.is_set():
            place = self.place
            try:
                with writing(place, f"{place}.user"):
                    self._update(place, number)
            except Moving:
                time.sleep(AGAIN)
            except MovedAway:
                self.place = "users" if place == "monolith" else "monolith"
            else:
                self.counts[place] += 1
                self.longest = max(self.longest, time.perf_counter() - began)
                return

    def _update(self, place: str, number: int) -> None:
        execute(
            place,
            f"UPDATE {place}_user SET name = 'Name ' || %s WHERE id = md5('user ' || %s::int)::uuid",
            number,
            1 + number % 1000,
        )


if __name__ == "__main__":
    main()
