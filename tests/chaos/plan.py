"""The plan of a run. It depends only on the seed, so the same seed, length and engine give the same plan.

The run has two parts. In the first every fault can happen. In the second no fault happens that may lose a message (a flush, a
delivery that is dropped or held in the memory of a relay that may die, a database that is set back to a backup): there,
at-least-once delivery must work without a repair.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

Bombs = tuple[tuple[str, str], ...]

#: The first part, as a share of the whole.
LOSING = 0.65
#: Seconds between two events, on average.
GAP = 1.3
#: The age from which `purge` deletes rows here. No message is on its way for longer: a relay that is stopped for the longest time,
#: with a message that was delayed for the longest time.
PURGED_AFTER = 20
#: How long billing is stopped: longer than that, so that retention by age alone would harm it. `purge` begins so long before it is
#: back.
AWAY, PURGE = 40.0, 8.0

#: Seconds from a backup until its database is set back to it, at least and at most; from one such fault to the next; and those left
#: of the first part then, for noticing and repairing it.
KEPT, NEXT, NOTICED = (5.0, 12.0), (30.0, 45.0), 8.0

RELAYS = ("relay-users", "relay-billing")
WORKERS = ("worker-users", "worker-billing")
WRITERS = ("writer-1", "writer-2", "writer-billing")
PROGRAMS = (*RELAYS, *WORKERS, "tend-billing", "web", "beat", *WRITERS)
#: A crash point between two lines (`messaging/failpoints.py`), and the process that dies at it.
RELAY_BOMBS = tuple(
    (step, relay) for step in ("relay.stamped", "relay.claimed", "relay.sent", "relay.before_commit") for relay in RELAYS
)
WORKER_BOMBS = tuple(
    (step, worker)
    for step in ("inbox.deduplicated", "inbox.handled", "inbox.before_commit", "inbox.committed", "redis.fetched")
    for worker in WORKERS
)
#: Those that at-least-once delivery depends on, workers first; and all of them.
DELIVERY_BOMBS = (*WORKER_BOMBS, *WORKER_BOMBS, *RELAY_BOMBS)
BOMBS = (
    *RELAY_BOMBS,
    *WORKER_BOMBS,
    *((step, "tend-billing") for step in ("pull.applied", "pull.before_commit", "pull.committed")),
    *((step, "bootstrap-billing") for step in ("bootstrap.bound", "bootstrap.begun", "pull.committed", "bootstrap.read")),
    *((step, "purge-users") for step in ("purge.outbox", "purge.tombstones")),
)
#: Seconds that a clock is set forward or back.
STEPS = (-3600.0, -60.0, 60.0, 3600.0)

#: How often each kind is in the deck. These may lose messages on their way …
LOSES = {"flush": 1, "drop": 1, "delay": 1, "reorder": 1, "forget": 1, "clock": 2}
#: … and these may not.
KEEPS = {"kill": 5, "bomb": 4, "stop": 3, "broker killed": 1, "broker restarted": 1, "broker full": 1, "duplicate": 1}
ONLY = {"postgresql": {"cut": 3, "read only": 2}, "sqlite": {"disk full": 2}}
#: What people and timers do meanwhile.
COMMANDS = {"bootstrap": 1, "reconcile": 1, "catch_up": 1, "purge": 1, "republish": 1}

#: The target of kinds that have only one.
TARGETS = {
    **dict.fromkeys(("flush", "broker killed", "broker restarted", "broker full"), "broker"),
    **dict.fromkeys(("drop", "delay", "reorder", "duplicate"), "relays"),
    **dict.fromkeys(("forget", "purge", "republish"), "users"),
    **dict.fromkeys(("bootstrap", "reconcile", "catch_up"), "billing"),
}

#: How many seconds each kind lasts, at least and at most; 0: a moment.
LENGTHS = {
    "stop": (0.5, 7.0),
    "drop": (1.0, 4.0),
    "delay": (2.0, 5.0),
    "reorder": (2.0, 5.0),
    "duplicate": (2.0, 6.0),
    "forget": (1.0, 4.0),
    "clock": (2.0, 8.0),
    "disk full": (0.5, 3.0),
    "read only": (1.0, 5.0),
    "broker full": (2.0, 8.0),
    "bomb": (4.0, 4.0),
}
SHORTEST = 0.5


@dataclass(frozen=True)
class Fault:
    """`at`: seconds from the start. `target`: a process, a context, or a command. `seconds`: how long it lasts. `how`: other
    details."""

    at: float
    kind: str
    target: str
    seconds: float = 0.0
    how: str = ""


def losing_until(seconds: float) -> float:
    """Return the end of the first part."""
    return seconds * LOSING


def schedule(seed: int, seconds: float, engine: str) -> list[Fault]:
    """Return the faults and commands of a run, ordered by time."""
    chance, turn = random.Random(f"{seed}:{seconds}:{engine}"), losing_until(seconds)
    keeps = {**KEEPS, **ONLY[engine], **COMMANDS}
    first = _dealt(chance, {**keeps, **LOSES}, BOMBS, 1.0, turn, turn - 1.0)
    second = _dealt(chance, keeps, DELIVERY_BOMBS, turn + 2.0, seconds, seconds)
    return sorted([*first, *second, *_absences(chance, turn), *_restores(chance, turn)], key=lambda fault: fault.at)


def _dealt(chance: random.Random, kinds: dict[str, int], bombs: Bombs, start: float, end: float, over: float) -> Iterator[Fault]:
    """Deal kinds from a shuffled deck, so that each comes before one comes again; lasting faults end before `over`."""
    deck: list[str] = []
    at = start
    while at < end - 0.5:
        if not deck:
            deck = [kind for kind, number in kinds.items() for _ in range(number)]
            chance.shuffle(deck)
        kind = deck.pop()
        lasts = min(chance.uniform(*LENGTHS.get(kind, (0.0, 0.0))), over - at)
        if kind in LENGTHS and lasts < SHORTEST:
            kind, lasts = "kill", 0.0  # the fault would be over before it began
        target, how = _aimed(chance, kind, bombs)
        yield Fault(round(at, 2), kind, target, round(lasts, 2), how)
        at += chance.uniform(0.4, 1.6) * GAP


def _aimed(chance: random.Random, kind: str, bombs: Bombs) -> tuple[str, str]:
    if kind == "kill":
        target = chance.choice((*PROGRAMS, "command"))
        whole = "whole" if not target.startswith("worker") else chance.choice(("whole", "child", "parent"))
        return target, whole
    if kind == "bomb":
        step, target = chance.choice(bombs)
        return target, step
    if kind == "stop":
        return chance.choice((*PROGRAMS, "broker")), ""
    if kind == "clock":
        return chance.choice(PROGRAMS), str(chance.choice(STEPS))
    if kind in ("cut", "disk full", "read only"):
        return chance.choice(("users", "billing")), chance.choice(("all", "half")) if kind == "cut" else ""
    return TARGETS[kind], ""


def _absences(chance: random.Random, turn: float) -> Iterator[Fault]:
    """Billing is stopped for a long time, its messages are lost meanwhile, and retention runs right before it is back."""
    at = chance.uniform(4.0, 10.0)
    while at + AWAY < turn:
        yield Fault(round(at, 2), "away", "billing", AWAY)
        yield Fault(round(at + AWAY - PURGE, 2), "purge", "users")
        at += AWAY + chance.uniform(50.0, 90.0)


def _restores(chance: random.Random, turn: float) -> Iterator[Fault]:
    """Each side in turn is set back to a backup of some seconds before."""
    sides = ["users", "billing"]
    chance.shuffle(sides)
    at = chance.uniform(8.0, 18.0)
    while at + (lasts := chance.uniform(*KEPT)) + NOTICED < turn:
        yield Fault(round(at, 2), "set back", sides[0], round(lasts, 2))
        sides.reverse()
        at += chance.uniform(*NEXT)
