"""Measures how long a writer waits while a big table is entered in the ledger.

`python -m benchmarks.tracking --users 1000000 --json`. A writer updates single users in a loop, one transaction each. Meanwhile the
triggers are installed and all rows are entered: by `manage.py track`, in batches, or, with `--by transaction`, in one transaction
with the triggers, as release 0.1.0 did.
"""

import argparse
import json
import subprocess
import threading
import time
from typing import Any

from benchmarks.options import say
from benchmarks.processes import start
from benchmarks.serving import execute
from benchmarks.surroundings import migrated

#: The writer's users, spread over the whole table.
WRITTEN = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--by", choices=("track", "transaction"), default="track")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users"):
        seed(options.users)
        with Writer(options.users) as writer:
            writer.goes_on()
            began = time.perf_counter()
            {"track": _by_track, "transaction": _by_transaction}[options.by]()
            took = time.perf_counter() - began
            writer.goes_on()
        _complete(options.users)
    result = {"users": options.users, "rows_per_second": round(options.users / took), "seconds": round(took, 1)}
    say({**result, "longest_wait_ms": writer.longest_wait_ms, "writes": writer.writes}, options.json)


def seed(users: int) -> None:
    """Insert users while nothing is tracked."""
    from messaging.ledger import leaving

    leaving.untrack("users", "users.user", "users_user")
    execute(
        "users",
        "INSERT INTO users_user (id, email, name, status, status_since, suspension_reason, created_at, updated_at) "
        "SELECT md5('user ' || n)::uuid, 'u' || n || '@example.org', 'User ' || n, 'active', now(), '', now(), now() "
        "FROM generate_series(1, %s) n",
        users,
    )
    execute("users", "VACUUM ANALYZE")


def _by_track() -> None:
    process = start("manage.py", "track", "users.user", "--json", stdout=subprocess.PIPE)
    said, _ = process.communicate(timeout=1200)
    if process.returncode:
        raise SystemExit(f"track ended with {process.returncode}: {said}")
    json.loads(said.strip().splitlines()[-1])


def _by_transaction() -> None:
    from django.db import connections, transaction

    from messaging.database import engines
    from messaging.ledger import ledger

    with transaction.atomic(using="users"):
        engines.for_alias("users").install_trigger(connections["users"], ledger.TRACKED["users.user"])
        execute(
            "users",
            "INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, erased, changed_at) "
            "SELECT 'users.user', id::text, 1, 1, false, false, clock_timestamp() FROM users_user",
        )


def _complete(users: int) -> None:
    """Every user has an entry, or the other figures mean nothing."""
    from messaging.models import Ledger, Tracking

    entries = Ledger.objects.using("users").filter(aggregate="users.user").count()
    if entries != users or Tracking.objects.using("users").exists():
        raise SystemExit(f"The ledger has {entries} entries of {users} users.")


class Writer(threading.Thread):
    """Updates one user after another. `longest_wait_ms` is the longest time of an update with its commit."""

    def __init__(self, users: int) -> None:
        super().__init__(daemon=True)
        self.users = users
        self.stop = threading.Event()
        self.longest, self.writes = 0.0, 0
        self.failed: Exception | None = None

    @property
    def longest_wait_ms(self) -> int:
        return round(self.longest * 1000)

    def __enter__(self) -> "Writer":
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop.set()
        self.join()

    def goes_on(self) -> None:
        """Wait until it has written again."""
        before, deadline = self.writes, time.monotonic() + 60
        while self.writes == before:
            if self.failed or time.monotonic() > deadline:
                raise SystemExit(f"The writer writes nothing: {self.failed}")
            time.sleep(0.01)

    def run(self) -> None:
        from django.db import connections

        step = max(1, self.users // WRITTEN)
        try:
            execute("users", "SELECT 1")  # the connection's start isn't a write's
            while not self.stop.is_set():
                number = 1 + self.writes * step % self.users
                began = time.perf_counter()
                execute("users", "UPDATE users_user SET name = name WHERE id = md5('user ' || %s::int)::uuid", number)
                self.longest = max(self.longest, time.perf_counter() - began)
                self.writes += 1
        except Exception as error:
            self.failed = error
        finally:
            connections.close_all()


if __name__ == "__main__":
    main()
