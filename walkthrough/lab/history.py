"""Lag and staleness over the last minutes, and when programs stopped and started. A thread of the web process samples them while
the lab is open."""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DatabaseError, connections
from django.utils import timezone

from messaging.ledger import sequencer
from messaging.models import Ledger, Subscription
from messaging.replica import staleness
from walkthrough.control import broker, processes
from walkthrough.control.processes import Seen
from walkthrough.lab.processes import SWITCHABLE

log = logging.getLogger(__name__)
#: Seconds between two samples, seconds that are shown, and seconds without a visitor after which sampling stops.
EVERY, SHOWN, REST = 2.0, 300.0, 60.0


@dataclass(frozen=True)
class Sample:
    """At a monotonic time: positions behind, and seconds since the copy was confirmed to be caught up (None: never)."""

    at: float
    lag: int
    staleness: float | None
    clock: datetime = field(default_factory=timezone.localtime)


@dataclass(frozen=True)
class Mark:
    """At a monotonic time: what happened to a program, and when."""

    at: float
    words: str


class History:
    """The last samples and marks."""

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=int(SHOWN / EVERY) + 1)
        self.marks: deque[Mark] = deque(maxlen=20)
        self._known: dict[str, Seen] = {}
        self._visited = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def visit(self) -> list[Sample]:
        """Note a visitor, start or continue sampling, and return the samples."""
        self._visited = time.monotonic()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._take()
                self._thread = threading.Thread(target=self._run, daemon=True, name="lab-history")
                self._thread.start()
        return [sample for sample in list(self.samples) if sample.at >= self._visited - SHOWN]

    def _run(self) -> None:
        while time.monotonic() - self._visited < REST:
            time.sleep(EVERY)
            self._take()
        for alias in ("users", "billing"):
            connections[alias].close()

    def _take(self) -> None:
        try:
            self.samples.append(sample())
            self.note(processes.seen())
        except DatabaseError as error:  # the chart has a gap then
            log.warning("the lab couldn't take a sample: %s", type(error).__name__)
            for alias in ("users", "billing"):
                connections[alias].close()

    def note(self, seen: dict[str, Seen]) -> None:
        """Note the programs that stopped, started or were restarted since the last look. At the first look, those that stopped in
        the time that is shown."""
        for name in SWITCHABLE:
            now, before = seen.get(name), self._known.get(name)
            if now is not None and (what := _happened(before, now)):
                at = (now.since if now.ended else None) or timezone.now()
                ago = (timezone.now() - at).total_seconds()
                self.marks.append(Mark(time.monotonic() - ago, f"{name} {what} {timezone.localtime(at):%H:%M:%S}"))
        self._known = {**self._known, **seen}


def _happened(before: Seen | None, now: Seen) -> str:
    if now.ended:
        return "stopped" if before is None or not before.ended else ""
    if before is None or not now.runs:
        return ""
    return "started" if not before.runs else "restarted" if before.pid != now.pid else ""


def sample() -> Sample:
    """Take one sample: four indexed queries on both databases."""
    head = sequencer.head("users") + Ledger.objects.using("users").filter(position__isnull=True).count()
    row = Subscription.objects.using("billing").filter(authority="users").first()
    age = broker.age(row)
    return Sample(time.monotonic(), staleness.behind(row, head) or 0, None if age is None else age.total_seconds())


HISTORY = History()
