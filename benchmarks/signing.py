"""Measures the cost of a signature: microseconds of processor time per event, in the relay and in the worker.

`python -m benchmarks.signing --json`. The messages are billing's copies as Celery writes them. The result is the median of nine
rounds, with the fastest and the slowest.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.messages import ROUNDS, event, run, shown


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield f"{'events':>8}{'bytes':>10}{'sign, µs an event':>28}{'check, µs an event':>28}"
    for row in rows:
        yield f"{row['events']:>8}{row['bytes']:>10}{shown(row['sign_us']):>28}{shown(row['check_us']):>28}"


def measure(size: int) -> list[dict[str, Any]]:
    from messaging.transport import signing
    from messaging.transport.queues import DELIVER

    body = json.dumps([[], {"consumer": "billing", "events": [event() for _ in range(size)]}, {}]).encode()
    headers = signing.signed("users", DELIVER, body)
    assert signing.check(headers, DELIVER, body) == ["users"]
    row = {
        "events": size,
        "bytes": len(body),
        "sign_us": _timed(lambda: signing.signed("users", DELIVER, body), size),
        "check_us": _timed(lambda: signing.check(headers, DELIVER, body), size),
    }
    return [row]


def _timed(call: Callable[[], object], size: int) -> tuple[float, float, float]:
    """Return (median, fastest, slowest) of the rounds in microseconds per event."""
    repeats = max(20, 2000 // size)
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        rounds.append((time.perf_counter() - began) / repeats / size * 1_000_000)
    return statistics.median(rounds), min(rounds), max(rounds)


if __name__ == "__main__":
    run(__doc__, "signing", measure, table)
