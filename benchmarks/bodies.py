"""Compares forms of a message's body: microseconds of processor time per event, and bytes per message.

`python -m benchmarks.bodies --json`. The messages are billing's copies, written and read with kombu's JSON as Celery does it. Each
round times all forms one after another, in the process's own time. The result is the median of the rounds, with the fastest and the
slowest. The database's work is the same for each form and isn't measured.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.messages import ROUNDS, event, run, shown


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield f"{'events':>8}  {'form':<34}{'bytes':>9}{'relay, µs an event':>24}{'worker, µs an event':>24}"
    for row in rows:
        relay, worker = shown(row["relay_us"]), shown(row["worker_us"])
        yield f"{row['events']:>8}  {row['form']:<34}{row['bytes']:>9}{relay:>24}{worker:>24}"


def measure(size: int) -> list[dict[str, Any]]:
    from kombu.utils.json import dumps, loads
    from pydantic_core import from_json, to_json

    events = [event() for _ in range(size)]

    def written(batch: object) -> bytes:
        return dumps([[], {"consumer": "billing", "events": batch}, {}]).encode()

    def read(body: bytes) -> Any:
        return loads(body)[1]["events"]

    def twice(body: bytes) -> Any:
        """Read twice, like Celery: when the message arrives, and when the task runs."""
        read(body)
        return read(body)

    forms: dict[str, tuple[Callable[[], bytes], Callable[[bytes], Any]]] = {
        "a list, read twice by Celery": (lambda: written(events), twice),
        "a list, read once by the task": (lambda: written(events), lambda body: json.loads(body.decode())[1]["events"]),
        "one text": (lambda: written(to_json(events).decode()), lambda body: from_json(twice(body))),
        "a text for each event": (
            lambda: written([to_json(event).decode() for event in events]),
            lambda body: [from_json(text) for text in twice(body)],
        ),
    }
    taken: dict[str, tuple[list[float], list[float]]] = {form: ([], []) for form in forms}
    bodies = {form: write() for form, (write, _) in forms.items()}
    assert all(back(bodies[form]) == events for form, (_, back) in forms.items())
    for _ in range(ROUNDS):
        for form, (write, back) in forms.items():
            taken[form][0].append(_used(write, size))
            taken[form][1].append(_used(lambda back=back, form=form: back(bodies[form]), size))  # type: ignore[misc]
    return [
        {
            "events": size,
            "form": form,
            "bytes": len(bodies[form]),
            "relay_us": (statistics.median(relay), min(relay), max(relay)),
            "worker_us": (statistics.median(worker), min(worker), max(worker)),
        }
        for form, (relay, worker) in taken.items()
    ]


def _used(call: Callable[[], object], size: int) -> float:
    repeats = max(5, 2000 // size)
    began = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - began) / repeats / size * 1_000_000


if __name__ == "__main__":
    run(__doc__, "bodies", measure, table)
