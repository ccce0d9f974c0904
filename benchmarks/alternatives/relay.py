"""Measures the path from committed events to applied cache rows in other ways, to compare with `benchmarks.relay_to_cache`.

`python -m benchmarks.alternatives.relay outbox_pattern --events 1000 --json`; also `celery_outbox` and `on_commit`. First all
programs start and one event arrives. Then all events are committed in one transaction. The time from the first applied event to the
last is measured.
"""

import argparse
import itertools
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from benchmarks import steady
from benchmarks.options import numbers, say
from benchmarks.processes import PATIENCE, running
from benchmarks.surroundings import surroundings

HERE = "benchmarks.alternatives"
CHANGED = 1000
#: Seconds between two counts of the applied events.
LOOK = 0.1


@dataclass(frozen=True)
class Way:
    """An alternative. `ways`: the module with `record(events)`. `relay` and `consumer`: command lines on the authority's and the
    consumer's database."""

    ways: str
    relay: tuple[str, ...]
    consumer: tuple[str, ...]


def _worker(tasks: str) -> tuple[str, ...]:
    """One process per core, which is Celery's default."""
    return ("-m", "celery", "-A", tasks, "worker", "-l", "WARNING", "--without-gossip", "--without-mingle")


WAYS = {
    "outbox_pattern": Way(
        f"{HERE}.outbox_pattern.ways",
        ("-m", "django", "publish"),
        ("-m", "django", "subscribe", f"{HERE}.outbox_pattern.ways.consume", "{destination}", "{queue}"),
    ),
    "celery_outbox": Way(
        f"{HERE}.celery_outbox.tasks",
        # The default is once a second.
        ("-m", "django", "celery_outbox_relay", "--idle-time", "0.05"),
        _worker(f"{HERE}.celery_outbox.tasks"),
    ),
    "on_commit": Way(f"{HERE}.on_commit.tasks", (), _worker(f"{HERE}.on_commit.tasks")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--rates", type=numbers, default=[100])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--keep-connections", action="store_true", help="keep the Celery workers' database connections open")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ["BENCH_MARK"] = uuid.uuid4().hex[:8]
    if options.keep_connections:
        os.environ["BENCH_KEEP_CONNECTIONS"] = "1"
    with surroundings(f"{HERE}.{options.way}.settings"):
        authority, consumer = os.environ["USERS_DATABASE_URL"], os.environ["BILLING_DATABASE_URL"]
        os.environ["ALTERNATIVE_DATABASE_URL"] = authority
        say(measure(options.way, consumer, options.events, options.rates, options.seconds), options.json)


def measure(name: str, consumer: str, events: int, rates: list[int], seconds: float) -> dict[str, Any]:
    import django

    with ExitStack() as stack:
        broker = stack.enter_context(_broker(name))
        django.setup()
        _migrate(consumer)
        way = WAYS[name]
        record: Callable[[list[dict[str, Any]]], None] = import_module(way.ways).record
        stack.enter_context(running(_filled(way.consumer), ALTERNATIVE_DATABASE_URL=consumer))
        if way.relay:
            stack.enter_context(running(way.relay))
        applied = _Applied(consumer)
        warmed = _warm_up(record, applied)
        users = _register(events, "u")
        _record(record, users)
        applied.wait(warmed + 1)
        began, already = time.perf_counter(), applied.count()
        applied.wait(warmed + events)
        took = time.perf_counter() - began
        latency = steady.latencies(consumer, "facts_cacheduser", rates, seconds, _writer(record, users[:CHANGED]))
        applied.close()
    return {
        "events": events,
        "events_per_second": round((warmed + events - already) / took),
        "broker": broker,
        "latency": latency,
    }


@contextmanager
def _broker(name: str) -> Iterator[str]:
    if name != "outbox_pattern":
        try:
            yield os.environ["CELERY_BROKER_URL"].partition(":")[0]
        finally:
            app = import_module(WAYS[name].ways).app
            with app.connection_for_write() as connection:
                connection.default_channel.queue_delete(app.conf.task_default_queue)
        return
    from benchmarks.alternatives.stomp import stomp_broker

    with stomp_broker(_queue()) as (kind, port):
        os.environ["BENCH_STOMP_PORT"] = str(port)
        yield kind


def _queue() -> str:
    return f"bench-{os.environ['BENCH_MARK']}"


def _filled(command: Sequence[str]) -> list[str]:
    values = {"{queue}": _queue(), "{destination}": f"/topic/bench.users.{os.environ['BENCH_MARK']}"}
    return [values.get(word, word) for word in command]


def _migrate(consumer: str) -> None:
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    with running(("-m", "django", "migrate", "--run-syncdb"), ALTERNATIVE_DATABASE_URL=consumer) as (other,):
        if other.wait(timeout=PATIENCE):
            raise SystemExit("The consumer's database can't be migrated. To see why, set BENCH_VERBOSE=1.")


class _Applied:
    """Counts the rows in the consumer's copy."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.connection = psycopg.connect(url, autocommit=True)

    def count(self) -> int:
        found = self.connection.execute("SELECT count(*) FROM facts_cacheduser").fetchone()
        return int(found[0]) if found else 0

    def wait(self, wanted: int) -> None:
        before, deadline = -1, time.monotonic() + PATIENCE
        while (found := self.count()) < wanted:
            if found > before:
                before, deadline = found, time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                raise SystemExit(f"Only {found} of {wanted} events were applied, and none within {PATIENCE:g} s.")
            time.sleep(LOOK if found else LOOK / 10)

    def close(self) -> None:
        self.connection.close()


def _warm_up(record: Callable[[list[dict[str, Any]]], None], applied: _Applied) -> int:
    """Send single events until one arrives, then wait for the rest. Returns the number of rows in the copy; it may be lower than
    the number of events, because a topic loses messages without a listener."""
    sent, deadline = 0, time.monotonic() + PATIENCE
    while not applied.count():
        if time.monotonic() > deadline:
            raise SystemExit(f"No event was applied within {PATIENCE:g} s.")
        _record(record, _register(1, f"warm-up-{sent}-"))
        sent += 1
        time.sleep(0.3)
    found, since = applied.count(), time.monotonic()
    while time.monotonic() < since + 1.5 and found < sent:
        if (more := applied.count()) > found:
            found, since = more, time.monotonic()
        time.sleep(LOOK)
    return found


def _register(count: int, prefix: str) -> list[Any]:
    from benchmarks.alternatives.facts.models import User

    return [User(email=f"{prefix}{number}@example.org", name=f"User {number}") for number in range(count)]


def _record(record: Callable[[list[dict[str, Any]]], None], users: list[Any]) -> None:
    from django.db import transaction

    from benchmarks.alternatives.facts.events import envelope
    from benchmarks.alternatives.facts.models import User

    with transaction.atomic():
        User.objects.bulk_create(users)
        record([envelope(user, "created") for user in users])


def _writer(record: Callable[[list[dict[str, Any]]], None], users: list[Any]) -> Callable[[int], list[steady.Key]]:
    from django.db import transaction

    from benchmarks.alternatives.facts.events import change

    turns = itertools.count()

    def write(count: int) -> list[steady.Key]:
        numbers_ = [next(turns) for _ in range(count)]
        chosen = [users[number % len(users)] for number in numbers_]
        back = [bool(number // len(users) % 2) for number in numbers_]
        with transaction.atomic():
            record(change(chosen, back))
        return [(str(user.pk), user.version) for user in chosen]

    return write


if __name__ == "__main__":
    main()
