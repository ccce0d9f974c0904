"""Measures the path from committed outbox rows to applied cache rows: events per second, then latency at a steady rate.

`python -m benchmarks.relay_to_cache --events 50000 --json`. It runs real relay and worker processes on PostgreSQL and a broker that
speaks Redis's protocol: those in `BENCH_POSTGRES_URL` and `BENCH_BROKER_URL`, or ones from wheels. It makes its databases and drops
them at the end.
"""

import argparse
import itertools
import os
import subprocess
import time
from typing import Any

from benchmarks import steady
from benchmarks.options import numbers, say
from benchmarks.processes import LOOK, PATIENCE, Watched, running
from benchmarks.surroundings import migrated

RATE, SECONDS = 100, 20
#: Users that the steady writes change in turn.
CHANGED = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rates", type=numbers, default=[RATE], help="events per second, such as 10,100,1000")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each rate lasts")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users", "billing"):
        say(measure(options.events, options.rates, options.seconds), options.json)


def measure(events: int, rates: list[int], seconds: float) -> dict[str, Any]:
    _register()
    users = _record(events)
    with running(("manage.py", "relay", "users"), ("manage.py", "worker", "billing")) as processes:
        _wait_until_applied(1)
        # Starts at the first applied row, to leave out the start of two Python processes.
        began, already = time.perf_counter(), _done()
        relay, worker = _wait_until_applied(events, processes)
        took = time.perf_counter() - began
        latency = steady.latencies(os.environ["BILLING_DATABASE_URL"], "billing_cacheduser", rates, seconds, _writer(users))
    first = latency[str(RATE)] if RATE in rates else next(iter(latency.values()))
    return {
        "events": events,
        "events_per_second": round((events - already) / took),
        "p50_ms": first["p50_ms"],
        "p95_ms": first["p95_ms"],
        "p99_ms": first["p99_ms"],
        "relay_mb": round(relay.mb, 1),
        "worker_mb": round(worker.mb, 1),
        "relay_cpu_us": _each(relay.seconds, events - already),
        "worker_cpu_us": _each(worker.seconds, events - already),
        "latency": latency,
    }


def _each(seconds: float, events: int) -> float | None:
    """Return microseconds per event; None if all had passed before the measurement began, as with a few dozen events."""
    return round(seconds / events * 1_000_000, 1) if events else None


def _register() -> None:
    from billing.handlers import HANDLERS
    from messaging.models import Consumer

    Consumer.objects.using("users").create(name="billing", queue="billing", types=list(HANDLERS), fields=["status", "status_since"])


def _record(events: int) -> list[Any]:
    from django.db import transaction

    from users.models import User
    from users.services import users_announce_created

    first: list[Any] = []
    for start in range(0, events, 2000):
        users = [User(email=f"u{start + n}@example.org", name=f"User {n}") for n in range(min(2000, events - start))]
        with transaction.atomic(using="users"):
            User.objects.using("users").bulk_create(users)
            users_announce_created(users)
        first = first or users
    return first[:CHANGED]


def _done() -> int:
    from django.db import connections

    with connections["billing"].cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(applied + obsolete), 0) FROM messaging_subscription")
        return int(cursor.fetchone()[0])


def _wait_until_applied(events: int, processes: list[subprocess.Popen[str]] | None = None) -> list[Watched]:
    """Wait until all are applied; returns the processes' use meanwhile."""
    watched = [Watched(process.pid) for process in processes or []]
    before, deadline = -1, time.monotonic() + PATIENCE
    while (done := _done()) < events:
        for one in watched:
            one.look()
        if done > before:
            before, deadline = done, time.monotonic() + PATIENCE
        elif time.monotonic() > deadline:
            raise SystemExit(f"Only {done} of {events} events were applied, and none within {PATIENCE:g} s.")
        time.sleep(LOOK)
    for one in watched:
        one.look()
    return watched


def _writer(users: list[Any]) -> Any:
    """Return a function that suspends and reactivates users in turn: one by its service, several in one transaction."""
    from django.db import transaction
    from django.utils import timezone

    from messaging.publisher.outbox import Record, record_many
    from users.events import UserReactivated, UserSuspended
    from users.models import User
    from users.services import user_reactivate, user_suspend

    turns = itertools.count()
    versions = dict.fromkeys((user.pk for user in users), 1)

    def write(count: int) -> list[steady.Key]:
        numbers_ = [next(turns) for _ in range(count)]
        chosen = [users[number % len(users)] for number in numbers_]
        back = [bool(number // len(users) % 2) for number in numbers_]
        if count == 1:
            user = chosen[0]
            user_reactivate(user_id=user.pk) if back[0] else user_suspend(user_id=user.pk, reason="benchmark")
        else:
            _change(dict(zip(chosen, back, strict=True)))
        for user in chosen:
            versions[user.pk] += 1
        return [(str(user.pk), versions[user.pk]) for user in chosen]

    def _change(changes: dict[Any, bool]) -> None:
        now = timezone.now()
        records = []
        for user, back in changes.items():
            user.status, user.status_since = ("active" if back else "suspended"), now
            user.suspension_reason, user.updated_at = ("" if back else "benchmark"), now
            names = "status", "status_since", "suspension_reason", "email", "name", "created_at"
            kind = UserReactivated if back else UserSuspended
            records.append(Record(kind(**{name: getattr(user, name) for name in names}), user.pk))
        with transaction.atomic(using="users"):
            User.objects.using("users").bulk_update(changes, ["status", "status_since", "suspension_reason", "updated_at"])
            record_many(records, using="users")

    return write


if __name__ == "__main__":
    main()
