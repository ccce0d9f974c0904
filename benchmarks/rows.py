"""Compares two ways to pass an upsert's rows to PostgreSQL: arrays, as `values_source` does, and one JSON document.

`python -m benchmarks.rows --rows 2000 --pages 50 --runs 3 --json`. It writes into billing's copy, which is empty at the start of
each run, by both ways in turn. The result is microseconds per row, in total and in the client.
"""

import argparse
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.options import say
from benchmarks.serving import execute
from benchmarks.surroundings import migrated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000, help="rows per page")
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("billing"):
        from messaging.database.engines import postgresql

        ways = {"arrays": postgresql.values_source, "document": _document}
        for _ in range(options.runs):
            say({name: _measured(way, options.pages, options.rows) for name, way in ways.items()}, options.json)


def _document(fields: Sequence[Any], rows: Sequence[Any], connection: Any) -> tuple[str, list[Any]]:
    from pydantic_core import to_json

    from messaging.database.engines.postgresql import _kinds

    return f"SELECT * FROM json_to_recordset(%s) AS x({_kinds(fields, connection)})", [to_json(rows).decode()]


def _measured(way: Callable[..., Any], pages: int, number: int) -> dict[str, float]:
    from unittest import mock

    from billing.models import CachedUser
    from messaging.database.engines import postgresql
    from messaging.database.upsert import upsert_newer

    given = [_page(number) for _ in range(pages)]
    execute("billing", "TRUNCATE billing_cacheduser")
    with mock.patch.object(postgresql, "values_source", way):
        began, used = time.perf_counter(), time.process_time()
        for rows in given:
            upsert_newer(CachedUser, rows, final=("status", "erased"), using="billing")
        took, used = time.perf_counter() - began, time.process_time() - used
    return {"us_per_row": round(took / pages / number * 1e6, 2), "client_us_per_row": round(used / pages / number * 1e6, 2)}


def _page(number: int) -> list[dict[str, Any]]:
    """Make rows like `apply_users`: all have the same source and time of receipt."""
    from django.utils import timezone

    received = timezone.now()
    return [
        {
            "user_id": str(uuid.uuid4()),
            "status": "active" if turn % 10 else "suspended",
            "status_since": timezone.now(),
            "version": 1,
            "source": "bootstrap",
            "authority_time": timezone.now(),
            "received_at": received,
        }
        for turn in range(number)
    ]


if __name__ == "__main__":
    main()
