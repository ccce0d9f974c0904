"""What a signature costs: microseconds of a processor per event, at the relay and at the worker.

`python -m benchmarks.signing --json`. The messages are billing's copies as Celery writes them; the median of nine rounds, with the
fastest and the slowest.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import Any

SIZES = (1, 10, 100, 1000)
ROUNDS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DJANGO_SETTINGS_MODULE="config.settings", VAR_DIR=folder)
        import django

        django.setup()
        results = [measure(size) for size in SIZES]
    if options.json:
        print(json.dumps({"signing": results}))
        return
    print(f"{'events':>8}{'bytes':>10}{'sign, µs an event':>28}{'check, µs an event':>28}")
    for row in results:
        print(f"{row['events']:>8}{row['bytes']:>10}{_shown(row['sign_us']):>28}{_shown(row['check_us']):>28}")


def _shown(rounds: Any) -> str:
    return "{:.2f} ({:.2f}–{:.2f})".format(*rounds)


def measure(size: int) -> dict[str, Any]:
    from messaging.transport import signing
    from messaging.transport.queues import DELIVER

    body = json.dumps([[], {"consumer": "billing", "events": [_event() for _ in range(size)]}, {}]).encode()
    headers = signing.signed("users", DELIVER, body)
    assert signing.check(headers, DELIVER, body) == "users"
    return {
        "events": size,
        "bytes": len(body),
        "sign_us": _timed(lambda: signing.signed("users", DELIVER, body), size),
        "check_us": _timed(lambda: signing.check(headers, DELIVER, body), size),
    }


def _timed(call: Callable[[], object], size: int) -> tuple[float, float, float]:
    """(median, fastest, slowest) of the rounds, in microseconds per event."""
    repeats = max(20, 2000 // size)
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        rounds.append((time.perf_counter() - began) / repeats / size * 1_000_000)
    return statistics.median(rounds), min(rounds), max(rounds)


def _event() -> dict[str, object]:
    from django.utils import timezone

    from messaging.events.contract import envelope
    from users.events import UserSuspended
    from users.models import User
    from users.services import _event

    user = User(email="ada@example.org", name="Ada", status="suspended")
    whole = envelope(
        _event(user, UserSuspended),
        id=str(uuid.uuid4()),
        subject=str(user.pk),
        version=2,
        time=timezone.now(),
        correlation=str(uuid.uuid4()),
        causation=None,
    )
    return {**whole, "data": {name: whole["data"][name] for name in ("status", "status_since")}, "position": 1234}


if __name__ == "__main__":
    main()
