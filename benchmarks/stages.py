"""Measures the cost of each stage on an event's path by the number of events in a round, and a row's size on the disk.

`python -m benchmarks.stages --json`. One process runs the stages one after another, so each has the whole machine: the sequencer
gives positions, the relay sends one round, the inbox takes one message. `benchmarks/simulate.py` uses these costs for systems that
don't fit on one machine.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.options import numbers, say
from benchmarks.serving import register
from benchmarks.surroundings import migrated

#: Events in a round. More than a thousand take several rounds.
COUNTS = (1, 10, 100, 1000)
REPEATS = 5
TABLES = {
    "users": ("users_user", "messaging_ledger", "published"),
    "billing": ("billing_cacheduser", "received"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--counts", type=numbers, default=list(COUNTS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users", "billing"):
        register()
        serial = itertools.count()
        say({"runs": [measure(options.counts, serial) for _ in range(options.runs)]}, options.json)


def measure(counts: list[int], serial: "itertools.count[int]") -> dict[str, Any]:
    """Measure milliseconds of each stage by number of events, and bytes of a row with its indexes by table."""
    from messaging.celery import app
    from messaging.publisher.relay import Relay

    relay = Relay("users", app)
    taken: dict[str, dict[str, list[float]]] = {}
    try:
        for _ in range(REPEATS):
            for count in counts:
                for stage, milliseconds in _once(count, relay, serial).items():
                    taken.setdefault(stage, {}).setdefault(str(count), []).append(milliseconds)
    finally:
        relay.sender.close()
    found: dict[str, Any] = {
        stage: {count: round(statistics.median(values), 3) for count, values in by_count.items()}
        for stage, by_count in taken.items()
    }
    return {**found, "bytes": _bytes()}


def _once(count: int, relay: Any, serial: "itertools.count[int]") -> dict[str, float]:
    from messaging.consumer import inbox
    from messaging.ledger import sequencer

    _write(count, serial)
    took = {"sequencer": _timed(lambda: sequencer.stamp_pending("users"))}
    took["relay"] = _timed(relay.run_once)
    messages = _arrived(relay)
    assert sum(map(len, messages)) == count, f"{sum(map(len, messages))} of {count} events arrived"
    took["worker"] = sum(_timed(lambda events=events: inbox.receive("billing", events)) for events in messages)  # type: ignore[misc]
    return took


def _write(count: int, serial: "itertools.count[int]") -> None:
    from django.db import transaction

    from users.models import User
    from users.services import users_announce_created

    users = [User(email=f"u{next(serial)}@example.org", name="User") for _ in range(count)]
    with transaction.atomic(using="users"):
        User.objects.using("users").bulk_create(users)
        users_announce_created(users)


def _arrived(relay: Any) -> list[list[Any]]:
    """Return the messages' events from the broker."""
    from messaging.transport.queues import queue

    bound = queue("billing").bind(relay.sender._connection.default_channel)
    messages = []
    while (message := bound.get(no_ack=True)) is not None:
        messages.append(message.payload[1]["events"])
    return messages


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _bytes() -> dict[str, int]:
    from django.db import connections

    found = {}
    for alias, tables in TABLES.items():
        with connections[alias].cursor() as cursor:
            for table in tables:
                cursor.execute(f"SELECT pg_total_relation_size('{table}') / greatest(1, (SELECT count(*) FROM {table}))")
                found[table] = int(cursor.fetchone()[0])
    return found


if __name__ == "__main__":
    main()
