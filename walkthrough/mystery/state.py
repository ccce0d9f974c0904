"""The mystery that is open, or was the last one, for every page and every process to see.

The file holds the seed and never the fault's name: see `walkthrough.control.concealed`.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from walkthrough.control import concealed, processes
from walkthrough.mystery import looks
from walkthrough.script import kept
from walkthrough.script.one_player import alone, alone_at_once
from walkthrough.script.transcript import Check

log = logging.getLogger(__name__)
FILE, LOCK, ON_STAGE = "mystery.json", "mystery.lock", "on-stage.json"
RESTARTED = "The system was started again since, so this mystery is over. Start another one."


class Phase(StrEnum):
    """How far a mystery is."""

    STARTING = "starting"
    OPEN = "open"
    #: A repair is being carried out and checked.
    CHECKING = "checking"
    SOLVED = "solved"
    #: The reader gave up, and the answer was shown.
    SHOWN = "shown"
    #: A chapter was set on stage since, the system was restarted, or the mystery couldn't begin.
    GONE = "gone"


@dataclass(frozen=True)
class Ticket:
    """What support reports. `user`: the id of the user whose story it is; empty if it is about nobody."""

    text: str
    user: str = ""


@dataclass(frozen=True)
class Answer:
    """What became of a diagnosis. `said`: what the repair did, in a sentence; `checks`: what the tables showed afterwards."""

    cause: str
    repair: str
    right: bool
    said: str
    checks: tuple[Check, ...]

    @property
    def healed(self) -> bool:
        return bool(self.checks) and all(check.holds for check in self.checks)


@dataclass
class Mystery:
    """One mystery. Times are seconds since the epoch."""

    seed: int
    phase: Phase = Phase.STARTING
    #: When this phase began.
    since: float = field(default_factory=time.time)
    #: When its stage was set.
    staged: float = 0.0
    #: When the reader got the ticket.
    opened: float = 0.0
    #: When it was solved or given up.
    ended: float | None = None
    #: The id of the supervising process: a restart of the system ends a mystery.
    system: int = 0
    ticket: Ticket | None = None
    #: Diagnoses so far.
    tries: int = 0
    hints: int = 0
    #: Pages and commands that the reader looked at, kept when it ends.
    looks: int = 0
    answer: Answer | None = None
    #: Why it is gone.
    why: str = ""

    @property
    def open(self) -> bool:
        return self.phase in (Phase.OPEN, Phase.CHECKING)

    @property
    def busy(self) -> bool:
        return self.phase in (Phase.STARTING, Phase.CHECKING)

    @property
    def seconds(self) -> int:
        """How long the reader has been looking for the cause."""
        return max(0, round((self.ended or time.time()) - self.opened)) if self.opened else 0

    @property
    def waited(self) -> int:
        """How long this phase has lasted."""
        return max(0, round(time.time() - self.since))

    def enter(self, phase: Phase) -> None:
        """Begin a phase, and let everybody see it."""
        self.phase, self.since = phase, time.time()
        write(self)


def write(mystery: Mystery) -> None:
    kept.FOLDER.mkdir(parents=True, exist_ok=True)
    kept.write(kept.FOLDER / FILE, asdict(mystery))


def look() -> Mystery | None:
    """Return the mystery; None if there was none. One whose process died while it worked is gone, or open again."""
    found = _read()
    while found and found.busy and not _somebody_works():
        before, found = found, _read()
        if found == before:  # it hasn't ended in between
            if before.phase is Phase.STARTING:
                return _gone(before, "The process that prepared this mystery ended before it was ready. Start another one.")
            found = _with(before, Phase.OPEN)
    if found and found.open:
        if kept.read(kept.FOLDER / ON_STAGE).get("mystery") != found.staged:
            return _gone(found, "A chapter was set on stage since, so this mystery is over. Start another one.")
        if processes.supervisor_pid() not in (0, found.system):
            return _gone(found, RESTARTED)
    return found


def end_at_start() -> None:
    """End a mystery that an earlier run of the system left open. Call it before the system's programs start."""
    found = _read()
    if found and (found.open or found.busy):
        _gone(found, RESTARTED)


@contextmanager
def working(find: Callable[[], Mystery], phase: Phase) -> Iterator[Mystery]:
    """Let everybody see, inside the block, that the system is being changed. Raises `CanNotPlay` if somebody else does.

    `find`: returns the mystery, or raises. It is called when nobody else can change it any more.
    """
    with alone():
        mystery = find()
        with (kept.FOLDER / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            mystery.enter(phase)
            yield mystery


def take_stage(mystery: Mystery) -> None:
    """No chapter is on stage now."""
    kept.write(kept.FOLDER / ON_STAGE, {"mystery": mystery.staged})


def _read() -> Mystery | None:
    values = kept.read(kept.FOLDER / FILE)
    try:
        return _from_json(values) if values else None
    except (AttributeError, KeyError, TypeError, ValueError):
        log.warning("%s has other values than a mystery's, so it counts as none", FILE)
        return None


def _from_json(values: dict[str, Any]) -> Mystery:
    found = {**values, "phase": Phase(values["phase"])}
    if found["ticket"]:
        found["ticket"] = Ticket(**found["ticket"])
    if found["answer"]:
        found["answer"] = Answer(**{**found["answer"], "checks": tuple(Check(**check) for check in found["answer"]["checks"])})
    return Mystery(**found)


def _gone(mystery: Mystery, why: str) -> Mystery:
    """End it: no fault stays on, and nothing counts looks. While somebody plays, the file stays as it is for a later look."""
    with alone_at_once() as nobody_plays:
        before = _read()
        mystery.why = why
        if nobody_plays and before and (before.seed, before.since) == (mystery.seed, mystery.since):
            concealed.reveal()
            mystery.looks = looks.end()
            mystery.enter(Phase.GONE)
    return _with(mystery, Phase.GONE)


def _with(mystery: Mystery, phase: Phase) -> Mystery:
    mystery.phase = phase
    return mystery


def _somebody_works() -> bool:
    try:
        with (kept.FOLDER / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
