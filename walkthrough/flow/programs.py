"""The programs and the queue: what runs, what stopped and since when, and what waits for what."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from messaging.celery import app
from messaging.models import Subscription
from messaging.replica.sync import GRACE_SECONDS
from walkthrough.control import broker, processes
from walkthrough.control.processes import Seen
from walkthrough.flow.copy import Copy
from walkthrough.observe import side_by_side

#: Seconds for which a full broker is remembered.
FULL_KEPT = 0.5
#: Supervisor's names of each program of the picture. Where a chapter runs a context apart, the later name takes over.
NAMES = {"relay": ("relay-users",), "worker": ("worker-billing",), "tend": ("tend-billing", "billing-tend")}
API, APART = "users-api", ("billing-web", "billing-tend")


@dataclass(frozen=True)
class Program:
    """`look`: runs, busy (it waits, or pulls), down or unknown. `since`: when it stopped. `pid`: 0 if it doesn't run."""

    look: str
    word: str
    since: datetime | None = None
    pid: int = 0


@dataclass(frozen=True)
class Programs:
    relay: Program
    worker: Program
    tend: Program
    api: Program
    #: Supervisor's own names of what runs, with the process ids.
    pids: dict[str, int]


@dataclass(frozen=True)
class Queue:
    """`waiting`: messages; None if the broker is away, then `since` says when it stopped. `full`: it takes no more."""

    waiting: int | None
    full: bool = False
    since: datetime | None = None


def queue() -> Queue:
    """Billing's queue."""
    waiting = side_by_side.depth("billing")
    if waiting is not None:
        return Queue(waiting, _is_full())
    stopped = processes.seen().get("broker") if broker.embedded() else None
    return Queue(None, since=stopped.since if stopped and not stopped.runs else None)


def programs(row: Subscription, queue: Queue, copy: Copy, waiting: int) -> Programs:
    """The programs. `waiting`: events in the outbox."""
    known = processes.seen()
    found = {name: _program(known, *names) for name, names in NAMES.items()}
    away, held = queue.waiting is None, row.state == Subscription.State.PAUSED
    return Programs(
        relay=_busy(found["relay"], "waits", when=away or (queue.full and waiting > 0)),
        worker=_busy(found["worker"], "waits", when=away or held),
        tend=_busy(found["tend"], *_tending(row, copy)),
        api=_api(known, row),
        pids={name: one.pid for name, one in known.items() if one.runs},
    )


def _tending(row: Subscription, copy: Copy) -> tuple[str, bool]:
    if row.state == Subscription.State.UNREACHABLE:
        return "no answer", True
    return "pulls", copy.holes > 0 and copy.overdue > GRACE_SECONDS


def _program(known: dict[str, Seen], *names: str) -> Program:
    if not known:
        return Program("unknown", "unknown")
    one = next((known[name] for name in reversed(names) if name in known and known[name].runs), known.get(names[0]))
    if one is None:
        return Program("unknown", "unknown")
    if one.runs:
        return Program("runs", "runs", pid=one.pid)
    return Program("down", "stopped" if one.ended else one.word, one.since)


def _busy(program: Program, word: str, when: bool) -> Program:
    return Program("busy", word, pid=program.pid) if when and program.look == "runs" else program


def _api(known: dict[str, Seen], row: Subscription) -> Program:
    """The API of users is served by this process, or by its own one while billing runs apart."""
    own = known.get(API)
    if own and own.runs:
        program = Program("runs", "answers", pid=own.pid)
    elif own and any(known[name].runs for name in APART if name in known):
        return Program("down", "stopped", own.since)
    else:
        program = Program("runs", "answers", pid=known["web"].pid if "web" in known else 0)
    return _busy(program, "no answer", when=row.state == Subscription.State.UNREACHABLE)


_full: tuple[float, bool] = (0.0, False)


def _is_full() -> bool:
    """Return True if Redis or Valkey has used up its memory. Other brokers don't tell, nor does one that went away."""
    global _full
    if time.monotonic() < _full[0]:
        return _full[1]
    connection = app.connection_for_read()
    away = (BrokerError, OSError, *connection.connection_errors, *connection.channel_errors)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)
            full = _memory_is_full(getattr(connection.default_channel, "client", None))
    except away:
        full = False
    _full = time.monotonic() + FULL_KEPT, full
    return full


def _memory_is_full(client: Any) -> bool:
    memory: dict[str, int] = client.info("memory") if client else {}
    return 0 < memory.get("maxmemory", 0) <= memory.get("used_memory", 0)


def clock(moment: datetime) -> str:
    """The time of day, as 14:03:12; with the date if it was another day."""
    here = timezone.localtime(moment)
    return f"{here:%H:%M:%S}" if here.date() == timezone.localdate() else f"{here:%d %b %H:%M}"
