"""Measures the cost of positions for writers: changes per second with a sequencer and without one.

`python -m benchmarks.sequencer --seconds 10 --runs 3 --json`. Two writers change users by their services as fast as they can, one
user after another. The sequencer runs as often as in a relay, or every `--every` seconds. Each run repeats four phases: without it,
with it, with it, without it. So growing tables and other load affect both alike. Changes without positions are stamped between the
phases.
"""

import argparse
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.bootstrap import seed
from benchmarks.options import say
from benchmarks.processes import PATIENCE, running
from benchmarks.surroundings import migrated

WRITERS = 2
#: Users of each writer.
USERS = 1000
#: Repetitions of the four phases in a run; each phase is so much shorter.
TURNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--every", type=float, help="seconds between two rounds (default: as in a relay)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=int, metavar="N", help="run as the N-th writer (the benchmark uses it)")
    options = parser.parse_args()
    if options.write is not None:
        _write(options.write)
        return
    with migrated("users"):
        seed(WRITERS * USERS)
        with running(*(("-m", "benchmarks.sequencer", "--write", str(number)) for number in range(WRITERS))):
            _wait_for_both()
            say({"runs": [measure(options.seconds, options.every) for _ in range(options.runs)]}, options.json)


def measure(seconds: float, every: float | None) -> dict[str, Any]:
    from messaging.ledger import sequencer

    def alone() -> int:
        sequencer.stamp_pending("users")
        return _rate(seconds / TURNS)

    def accompanied() -> int:
        sequencer.stamp_pending("users")
        with _sequencer(every):
            return _rate(seconds / TURNS)

    turns = [(alone(), accompanied(), accompanied(), alone()) for _ in range(TURNS)]
    without = sum(first + last for first, _, _, last in turns) / (2 * TURNS)
    beside = sum(sum(between) for _, *between, _ in turns) / (2 * TURNS)
    return {"without": round(without), "with": round(beside), "cost_percent": round(100 * (1 - beside / without), 1)}


def _wait_for_both() -> None:
    """Wait until every writer writes; a user's address names its writer."""
    from users.models import User

    deadline = time.monotonic() + PATIENCE
    for number in range(WRITERS):
        while not User.objects.using("users").filter(email__endswith=f".{number}@example.org").exists():
            if time.monotonic() > deadline:
                raise SystemExit(f"Writer {number} wrote nothing within {PATIENCE:g} s.")
            time.sleep(0.05)


def _rate(seconds: float) -> int:
    """Return changes per second, by their events."""
    before, began = _changes(), time.perf_counter()
    time.sleep(seconds)
    return round((_changes() - before) / (time.perf_counter() - began))


def _changes() -> int:
    from django.db import connections

    with connections["users"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM published")
        return int(cursor.fetchone()[0])


@contextmanager
def _sequencer(every: float | None) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=_stamp, args=(stop, every))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _stamp(stop: threading.Event, every: float | None) -> None:
    """Stamp positions like a relay's rounds, without their other work."""
    from django.db import connections

    from messaging.ledger import sequencer
    from messaging.publisher.relay import Pace

    pace = Pace()
    while not stop.is_set():
        pace.begin(time.monotonic())
        stamped = sequencer.stamp_pending("users")
        pause = pace.pause(stamped, time.monotonic())
        stop.wait(pause if every is None else max(0.0, pace.began + every - time.monotonic()))
    connections.close_all()


def _write(number: int) -> None:
    import django

    django.setup()
    from users.models import User
    from users.services import user_change_email

    ids = list(User.objects.using("users").order_by("id").values_list("id", flat=True)[number * USERS : (number + 1) * USERS])
    turn = 0
    parent = os.getppid()
    while os.getppid() == parent:
        user_id = ids[turn % len(ids)]
        user_change_email(user_id=user_id, email=f"u{turn}.{number}@example.org")
        turn += 1


if __name__ == "__main__":
    main()
