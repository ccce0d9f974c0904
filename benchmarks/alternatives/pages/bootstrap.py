"""Fills a copy in other ways, to compare with `benchmarks.bootstrap --quiet`.

`python -m benchmarks.alternatives.pages.bootstrap --users 100000 --runs 3 --json`. Offset pages are larger than the project's,
which helps them: they skip fewer rows. One GET per user is measured with a sample. The copy is written by pages, as in the project.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

from benchmarks.alternatives.pages.server import SETTINGS, Client, serving, set_up
from benchmarks.options import say
from benchmarks.surroundings import surroundings

PAGE = 5000
#: Users to request one by one, and pages to read of a table with more than `WHOLE` users.
SAMPLE, PAGES, WHOLE = 500, 40, 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with surroundings(SETTINGS):
        set_up()
        seed(options.users)
        with serving() as address:
            say({"runs": [measure(address, options.users) for _ in range(options.runs)]}, options.json)


def measure(address: str, users: int) -> dict[str, Any]:
    return {"users": users, "offset_pages": _offset_pages(address, users), "one_by_one": _one_by_one(address, users)}


def seed(users: int) -> None:
    with psycopg.connect(os.environ["USERS_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            "INSERT INTO facts_user (id, email, name, status, status_since, suspension_reason, created_at, updated_at, version) "
            "SELECT md5('user ' || n)::uuid, 'u' || n || '@example.org', 'User ' || n, "
            "CASE WHEN n %% 10 = 0 THEN 'suspended' ELSE 'active' END, now(), '', now(), now(), 1 FROM generate_series(1, %s) n",
            [users],
        )
        connection.execute("VACUUM ANALYZE facts_user")


def _offset_pages(address: str, users: int) -> dict[str, Any]:
    """Read all pages. Of a big table, read some pages, spread evenly, because later pages cost more."""
    pages = -(-users // PAGE)
    step = 1 if users <= WHOLE else max(1, pages // PAGES)
    chosen = range(0, pages, step)
    client = Client(address)

    def read(page: int) -> list[dict[str, Any]]:
        return list(client.get(f"users/?limit={PAGE}&offset={page * PAGE}")["results"])

    return _filled((read(page) for page in chosen), client, sampled=step > 1)


def _one_by_one(address: str, users: int) -> dict[str, Any]:
    sample = min(SAMPLE, users)
    with psycopg.connect(os.environ["USERS_DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT id FROM facts_user ORDER BY id LIMIT %s", [sample])
        ids = [str(key) for (key,) in rows]
    client = Client(address)
    answers = ([client.get(f"users/{key}/") for key in ids[start : start + 100]] for start in range(0, sample, 100))
    return _filled(answers, client, sampled=sample < users)


def _filled(pages: Iterable[list[dict[str, Any]]], client: Client, *, sampled: bool) -> dict[str, Any]:
    """Write the pages into an empty copy, and return rows per second."""
    from benchmarks.alternatives.facts.models import CachedUser

    CachedUser.objects.all().delete()
    began, rows = time.perf_counter(), 0
    for page in pages:
        _upsert(CachedUser, page)
        rows += len(page)
    took = time.perf_counter() - began
    assert CachedUser.objects.count() == rows
    return {"rows_per_second": round(rows / took), "rows": rows, "sampled": sampled, "bytes": client.bytes}


def _upsert(model: Any, page: list[dict[str, Any]]) -> Any:
    from django.utils import timezone

    now = timezone.now()
    made = [
        model(
            user_id=row["id"],
            status=row["status"],
            status_since=row["status_since"],
            version=row["version"],
            source="bootstrap",
            authority_time=row["updated_at"],
            received_at=now,
        )
        for row in page
    ]
    names = ["status", "status_since", "version", "source", "authority_time", "received_at"]
    upsert: Callable[..., Any] = model.objects.bulk_create
    return upsert(made, update_conflicts=True, unique_fields=["user_id"], update_fields=names)


if __name__ == "__main__":
    main()
