"""Compares two sides in other ways, to compare with `benchmarks.reconcile`.

`python -m benchmarks.alternatives.pages.reconcile --users 1000000 --differences 10 --runs 3 --json`. One way reads the full list of
ids and versions, which misses rows that differ at the same version. The other reads everything and finds them. Both cost the same
for any number of differences.
"""

import argparse
import os
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg

from benchmarks.alternatives.pages.bootstrap import seed
from benchmarks.alternatives.pages.server import SETTINGS, Client, serving, set_up
from benchmarks.options import say
from benchmarks.surroundings import surroundings

#: The columns that the consumer reads of its own rows in each way, ordered by id.
OWN = {
    "versions": "SELECT user_id, version FROM facts_cacheduser ORDER BY user_id",
    "dump": "SELECT user_id, version, status, status_since FROM facts_cacheduser ORDER BY user_id",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--differences", type=int, default=10)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with surroundings(SETTINGS):
        set_up()
        seed(options.users)
        _copy(options.users, options.differences)
        with serving() as address:
            runs = [{way: _compared(address, way, options.differences) for way in OWN} for _ in range(options.runs)]
        say({"runs": runs}, options.json)


def _copy(users: int, differences: int) -> None:
    """Make an equal copy, except for some rows that are one version behind."""
    with (
        psycopg.connect(os.environ["USERS_DATABASE_URL"]) as authority,
        psycopg.connect(os.environ["BILLING_DATABASE_URL"], autocommit=True) as consumer,
        authority.cursor() as reading,
        consumer.cursor() as writing,
        reading.copy(
            "COPY (SELECT id, status, status_since, version, 'bootstrap', updated_at, now() FROM facts_user) TO STDOUT"
        ) as rows,
        writing.copy("COPY facts_cacheduser FROM STDIN") as into,
    ):
        for piece in rows:
            into.write(piece)
    with psycopg.connect(os.environ["BILLING_DATABASE_URL"], autocommit=True) as consumer:
        every = users // differences if differences else 0
        consumer.execute(
            "UPDATE facts_cacheduser SET version = 0, status = 'stale' WHERE user_id IN "
            "(SELECT md5('user ' || n * %s)::uuid FROM generate_series(1, %s) n)",
            [every, differences],
        )
        consumer.execute("VACUUM ANALYZE facts_cacheduser")


def _compared(address: str, way: str, differences: int) -> dict[str, Any]:
    client = Client(address)
    began = time.perf_counter()
    with psycopg.connect(os.environ["BILLING_DATABASE_URL"]) as connection, connection.cursor(name="own") as own:
        own.itersize = 10_000
        own.execute(OWN[way])
        found = list(_differing(_theirs(client, way), (tuple(row) for row in own)))
    took = time.perf_counter() - began
    assert len(found) == differences, f"{len(found)} differ, planted were {differences}"
    return {"seconds": round(took, 2), "bytes": client.bytes, "round_trips": client.round_trips}


def _theirs(client: Client, way: str) -> Iterator[tuple[Any, ...]]:
    after = ""
    while True:
        rows = client.get(f"{way}/?after={after}" if after else f"{way}/")["results"]
        if not rows:
            return
        for row in rows:
            yield tuple(row[:4])
        after = rows[-1][0]


def _differing(theirs: Iterator[tuple[Any, ...]], own: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    """Return the ids that only one side has, or whose values differ. Both sides are ordered by id."""
    left, right = next(theirs, None), next(own, None)
    while left is not None or right is not None:
        here = str(right[0]) if right else None
        if right is None or (left is not None and here is not None and left[0] < here):
            assert left is not None
            yield left[0]
            left = next(theirs, None)
        elif left is None or (here is not None and here < left[0]):
            yield str(here)
            right = next(own, None)
        else:
            if not _equal(left[1:], right[1:]):
                yield left[0]
            left, right = next(theirs, None), next(own, None)


def _equal(theirs: tuple[Any, ...], own: tuple[Any, ...]) -> bool:
    return all(
        datetime.fromisoformat(value) == mine if isinstance(mine, datetime) else value == mine
        for value, mine in zip(theirs, own, strict=True)
    )


if __name__ == "__main__":
    main()
