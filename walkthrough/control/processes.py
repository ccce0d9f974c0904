"""The running system's processes, as the walkthrough stops, kills and starts them: supervisord's, by its control socket."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from config.runner.supervisor import ENDED, UNREACHABLE, control

#: Seconds that a program may take to be up, or to end.
PATIENCE = 40.0


class SystemNotRunning(Exception):
    """Nothing is supervised: `make run` isn't there. The text may be shown."""


class WouldNot(Exception):
    """A program didn't do what was asked of it. The text may be shown."""


def states() -> dict[str, str]:
    """Program to state: RUNNING, STOPPED, STARTING …"""
    return {info["name"]: info["statename"] for info in _ask("getAllProcessInfo")}


def runs(name: str) -> bool:
    return states().get(name) == "RUNNING"


def pid(name: str) -> int:
    """Its process id; 0 where it has none."""
    return int(_ask("getProcessInfo", name)["pid"])


def stop(*names: str) -> None:
    """Stop them in good order (SIGTERM); returns when they have ended."""
    for name in names:
        if states().get(name) not in ENDED:
            _ask("stopProcess", name, False)
    _until(names, lambda state: state in ENDED, "end")


def start(*names: str) -> None:
    """Start those of them that don't run; returns when they do."""
    for name in names:
        if states().get(name) in ENDED:
            _ask("startProcess", name, False)
    _until(names, lambda state: state == "RUNNING", "run")


def kill(name: str) -> int:
    """SIGKILL, as a crash; supervisord starts it again. Returns the process id that it had."""
    was = pid(name)
    if was:
        _ask("signalProcess", name, "KILL")
    return was


def freeze(name: str) -> None:
    """SIGSTOP: it is there, holds its port, and doesn't answer."""
    _ask("signalProcess", name, "STOP")


def thaw(name: str) -> None:
    """SIGCONT."""
    _ask("signalProcess", name, "CONT")


@contextmanager
def throttled(name: str, *, frozen: float = 0.12, moving: float = 0.005) -> Iterator[None]:
    """Meanwhile it only moves for a part of each moment (seconds), as on a machine that has too much to do."""
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
            raise WouldNot(f"{missing[0]} didn't {what} within {PATIENCE:.0f} s; it is {found.get(missing[0], 'unknown')}.")
        time.sleep(0.1)


def _ask(method: str, *arguments: Any) -> Any:
    try:
        return getattr(control().supervisor, method)(*arguments)
    except UNREACHABLE:
        raise SystemNotRunning(
            "The system isn't running. Start it: make run, or python manage.py runserver, in another terminal."
        ) from None
