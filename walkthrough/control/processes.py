"""Stop, kill and start the running system's processes, through supervisord's control socket."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from config.env import VAR
from config.runner.supervisor import ENDED, UNREACHABLE, control

#: Seconds that a program may take to start, or to stop.
PATIENCE = 40.0


class SystemNotRunning(Exception):
    """`make run` isn't running. The text may be shown."""


class WouldNot(Exception):
    """A program didn't start, stop or end in time. The text may be shown."""


@dataclass(frozen=True)
class Seen:
    """A program's state. `since`: when its last process ended, or None. `pid`: 0 if it doesn't run."""

    state: str
    since: datetime | None
    pid: int

    @property
    def runs(self) -> bool:
        return self.state == "RUNNING"

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def word(self) -> str:
        return self.state.lower()


def seen() -> dict[str, Seen]:
    """Program to what the supervisor knows of it; empty if there is no supervisor."""
    try:
        return {info["name"]: _seen(info) for info in _ask("getAllProcessInfo")}
    except SystemNotRunning:
        return {}


def _seen(info: dict[str, Any]) -> Seen:
    stopped = datetime.fromtimestamp(info["stop"], UTC) if info["stop"] else None
    return Seen(info["statename"], stopped, info["pid"])


def states() -> dict[str, str]:
    """Program to state: RUNNING, STOPPED, STARTING …"""
    return {info["name"]: info["statename"] for info in _ask("getAllProcessInfo")}


def runs(name: str) -> bool:
    return states().get(name) == "RUNNING"


def pid(name: str) -> int:
    """Its process id; 0 if it doesn't run."""
    return int(_ask("getProcessInfo", name)["pid"])


def supervisor_pid() -> int:
    """The id of supervisord's process, another one after each `make run`; 0 if it doesn't run."""
    try:
        return int(_ask("getPID"))
    except SystemNotRunning:
        return 0


def stop(*names: str) -> None:
    """Stop them with SIGTERM; returns when they have ended."""
    for name in names:
        if states().get(name) not in ENDED:
            _ask("stopProcess", name, False)
    _until(names, lambda state: state in ENDED, "stop")


def start(*names: str) -> None:
    """Start those that don't run; returns when all run."""
    for name in names:
        if states().get(name) in ENDED:
            _ask("startProcess", name, False)
    _until(names, lambda state: state == "RUNNING", "start")


def kill(name: str) -> int:
    """Kill it with SIGKILL, like a crash; supervisord restarts it. Returns the process id that it had."""
    was = pid(name)
    if was:
        _ask("signalProcess", name, "KILL")
    return was


def kill_for_good(name: str) -> None:
    """Kill it with SIGKILL, and stop what supervisord starts instead."""
    was = kill(name)
    limit = time.monotonic() + PATIENCE
    while pid(name) in (0, was) and time.monotonic() < limit:
        time.sleep(0.05)
    stop(name)


def freeze(name: str) -> None:
    """Send SIGSTOP: it exists, holds its port and doesn't answer."""
    _ask("signalProcess", name, "STOP")


def thaw(name: str) -> None:
    """Send SIGCONT."""
    _ask("signalProcess", name, "CONT")


@contextmanager
def throttled(name: str, *, frozen: float = 0.12, moving: float = 0.005) -> Iterator[None]:
    """Within the block, let it run only in short slices (seconds), as on an overloaded machine."""
    through = threading.Event()

    def run() -> None:
        while not through.is_set():
            freeze(name)
            through.wait(frozen)
            thaw(name)
            through.wait(moving)

    thread = threading.Thread(target=run, daemon=True, name=f"throttle {name}")
    thread.start()
    try:
        yield
    finally:
        through.set()
        thread.join()
        thaw(name)


def restart(*names: str) -> None:
    stop(*names)
    start(*names)


def _until(names: Iterable[str], reached: Callable[[str], bool], what: str) -> None:
    limit = time.monotonic() + PATIENCE
    while True:
        found = states()
        missing = [name for name in names if not reached(found.get(name, "UNKNOWN"))]
        if not missing:
            return
        if time.monotonic() > limit:
            raise WouldNot(
                f"{missing[0]} didn't {what} within {PATIENCE:.0f} s: its state is {found.get(missing[0], 'UNKNOWN')}. "
                f"Read its log: {missing[0]}.log in {VAR / 'log'}."
            )
        time.sleep(0.1)


def _ask(method: str, *arguments: Any) -> Any:
    try:
        return getattr(control().supervisor, method)(*arguments)
    except UNREACHABLE:
        raise SystemNotRunning(
            "The system isn't running. Start it: make run, or python manage.py runserver, in another terminal."
        ) from None
