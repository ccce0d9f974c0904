"""Measures the upper limit: rows from one database into another by COPY alone.

`python -m benchmarks.copying --rows 100000 --runs 3 --json`. It fills the empty table of the copy, with its indexes, in one
transaction. No bootstrap can be faster; but COPY can't resume, and can't run together with live events.
"""

import argparse
import os
import time

import psycopg

from benchmarks.bootstrap import seed
from benchmarks.options import say
from benchmarks.surroundings import migrated

#: The same state as after a bootstrap: the version is the ledger's, where an id is text.
ROWS = """
SELECT u.id, u.status, u.status_since, l.version, 'bootstrap', l.changed_at, now()
FROM users_user u JOIN messaging_ledger l ON l.aggregate = 'users.user' AND l.aggregate_id = u.id::text
"""
COLUMNS = "user_id, status, status_since, version, source, authority_time, received_at"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users", "billing"):
        seed(options.rows)
        say({"runs": [{"rows_per_second": round(options.rows / _copied())} for _ in range(options.runs)]}, options.json)


def _copied() -> float:
    """Copy all rows, and return the seconds."""
    with psycopg.connect(os.environ["BILLING_DATABASE_URL"], autocommit=True) as consumer:
        consumer.execute("TRUNCATE billing_cacheduser")
    began = time.perf_counter()
    copy(os.environ["USERS_DATABASE_URL"], ROWS, os.environ["BILLING_DATABASE_URL"], f"billing_cacheduser ({COLUMNS})")
    return time.perf_counter() - began


def copy(source: str, rows: str, target: str, table: str) -> None:
    """Copy the rows of a SELECT in one database into a table of another."""
    with (
        psycopg.connect(source) as reading,
        psycopg.connect(target) as writing,
        reading.cursor().copy(f"COPY ({rows}) TO STDOUT") as out,  # type: ignore[arg-type]
        writing.cursor().copy(f"COPY {table} FROM STDIN") as into,  # type: ignore[arg-type]
    ):
        for piece in out:
            into.write(piece)


if __name__ == "__main__":
    main()
