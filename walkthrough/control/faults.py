"""Switches that break things, for the lab and the chapters: real faults in the real processes, off by default.

A file under `var/` names the faults that are on, so every process sees them at once. The relay drops, repeats, delays or reorders
messages; the services of `users` record no events. The switches exist only where the walkthrough is installed: with DEBUG on and
all contexts in one process (`config/settings.py`).
"""

import heapq
import itertools
import json
import logging
import os
import random
import threading
import time
from dataclasses import dataclass
from typing import Any

from config.env import VAR
from walkthrough.control import concealed

log = logging.getLogger(__name__)
FOLDER = VAR / "walkthrough"
FILE = FOLDER / "faults.json"
#: The events that the publisher with the bug didn't record, one envelope per line: a chapter sends them late.
SUPPRESSED = FOLDER / "suppressed.jsonl"
#: Seconds that a delayed message waits. A reordered one waits a random part of that.
DELAY = 3.0


@dataclass(frozen=True)
class Fault:
    """A switch: its name in the file, its title, and what it does."""

    name: str
    title: str
    does: str


FAULTS = (
    Fault("drop", "Drop deliveries", "The relay marks events as sent, but doesn't send them."),
    Fault("duplicate", "Duplicate deliveries", "Every message is sent three times."),
    Fault("delay", "Delay deliveries", f"Every message is sent {DELAY:.0f} seconds late."),
    Fault("reorder", "Reorder deliveries", "Each event waits for a random time, so a later one may arrive first."),
    Fault("publisher_bug", "Publisher bug", "Users change, but no event is recorded."),
)
NAMES = frozenset(fault.name for fault in FAULTS)

_known: tuple[int, frozenset[str]] = (0, frozenset())


def switched_on() -> frozenset[str]:
    """The faults that are on. The file is read again after a change."""
    global _known
    try:
        changed = os.stat(FILE).st_mtime_ns
    except OSError:
        return frozenset()
    if changed != _known[0]:
        try:
            found = json.loads(FILE.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return _known[1]  # it is just being replaced
        _known = changed, frozenset(found) & NAMES
    return _known[1]


def acting() -> frozenset[str]:
    """The faults that act: those that are on, and those that a mystery conceals."""
    return switched_on() | concealed.names()


def switch(name: str, on: bool) -> None:
    """Turn a fault on or off, for every process. Raises `KeyError` for an unknown name."""
    if name not in NAMES:
        raise KeyError(name)
    _write(switched_on() | {name} if on else switched_on() - {name})


def mend_all() -> None:
    """Turn all faults off, also those that a mystery conceals."""
    _write(frozenset())
    concealed.reveal()
    SUPPRESSED.unlink(missing_ok=True)


def suppressed() -> list[dict[str, Any]]:
    """The envelopes that the publisher with the bug didn't record."""
    if not SUPPRESSED.exists():
        return []
    return [json.loads(line) for line in SUPPRESSED.read_text(encoding="utf-8").splitlines()]


def _write(names: frozenset[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    draft = FILE.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    draft.write_text(json.dumps(sorted(names)), encoding="utf-8")
    draft.replace(FILE)


def install() -> None:
    """Install the faults where they act: between relay and broker, in front of the publisher, and at its clock."""
    from messaging import failpoints
    from users import clock, services

    failpoints.passages.append(Passage())
    services.withholding.append(forget)
    clock.offsets.append(concealed.offset)


class Passage:
    """Between relay and broker: takes a consumer's message, and returns the messages to send now instead."""

    def __init__(self) -> None:
        self._later = Later()

    def __call__(self, consumer: Any, events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        on = acting()
        if not on:
            return [events]
        if "drop" in on:
            return []
        if concealed.RENAMED in on:
            events = [concealed.renamed(event) for event in events]
        messages = [[event] for event in events] if "reorder" in on else [events]
        if "duplicate" in on:
            messages = messages * 3
        if not on & {"reorder", "delay"}:
            return messages
        for message in messages:
            wait = (DELAY if "delay" in on else 0.0) + (random.uniform(0.0, DELAY) if "reorder" in on else 0.0)
            self._later.send(wait, consumer.queue, consumer.name, message)
        return []


class Later:
    """Sends messages later, from its own thread. Waiting messages are lost with its process, as on a network."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, str, str, list[dict[str, Any]]]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def send(self, wait: float, queue: str, consumer: str, events: list[dict[str, Any]]) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + wait, next(self._number), queue, consumer, events))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="faults")
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        from messaging.celery import app
        from messaging.transport.sender import Sender

        sender: Sender | None = None
        while True:
            with self._changed:
                while not self._waiting or self._waiting[0][0] > time.monotonic():
                    self._changed.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
                _, _, queue, consumer, events = heapq.heappop(self._waiting)
            sender = sender or Sender(app, events[0]["source"])  # a relay's process sends for one publisher
            try:
                sender.send(queue, consumer, events)
            except sender.errors as error:
                log.warning("a delayed message for %s is lost: %s", consumer, type(error).__name__)
                sender.close()


def forget(user: Any, event: Any) -> bool:
    """The publisher with the bug: the row changes, and the event isn't recorded. The lab's switch keeps it for later."""
    if "publisher_bug" in switched_on():
        _keep(user, event)
    return "publisher_bug" in acting()


def _keep(user: Any, event: Any) -> None:
    from messaging.events import tracing
    from messaging.events.contract import envelope
    from messaging.events.ids import uuid7
    from messaging.ledger import ledger
    from users import clock

    subject, trace = str(user.pk), tracing.current()
    version, _ = ledger.positions("users", [(event.aggregate(), subject)])[event.aggregate(), subject]
    body = envelope(
        event,
        id=str(uuid7()),
        subject=subject,
        version=version,
        time=clock.now(),  # the services' own clock: a chapter simulates an hour
        correlation=trace.correlation,
        causation=trace.causation,
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    with SUPPRESSED.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(body)}\n")
