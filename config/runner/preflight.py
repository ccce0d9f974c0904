"""Checks before `make run` or `runserver` starts anything. Each passes, or raises `CanNotRun` with a sentence and what to do."""

import fcntl
import os
import socket
import tempfile
import time
from typing import IO

from config.env import VAR

RUN = VAR / "run"
#: Locked by the one `make run` or `runserver` of this folder.
OWN_LOCK = RUN / "make-run.lock"
#: A shared lock of all programs that it started, until the last one ends (`config/runner/tether.py --hold`).
PROGRAMS_LOCK = RUN / "programs.lock"
#: Seconds to wait for the programs of a killed `make run`. Their tethers end them in about ten.
PATIENCE_SECONDS = 30.0

FAILED, WRONG_USAGE, REFUSED = 1, 2, 3


class CanNotRun(Exception):
    """Nothing can be started. The message says why and what to do; `code` is the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def check_folder() -> None:
    """Check that `var/` exists and can be written to."""
    try:
        for folder in (VAR, RUN, VAR / "log", VAR / "broker"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise CanNotRun(
            f"{VAR} can't be written to ({error.strerror}). It is for databases, logs and the broker. Correct its permissions, or "
            "use another folder: VAR_DIR=/some/folder make run",
            REFUSED,
        ) from None


def chosen_port(another: str = "PORT=8001 make run") -> int:
    """Return the port in `PORT`, by default 8000. `another` is the command for another port, for the message."""
    text = os.environ.get("PORT") or "8000"
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise CanNotRun(f"PORT={text} is not a port. Use a number from 1 to 65535, for example: {another}", WRONG_USAGE)
    return int(text)


def check_port(port: int, host: str = "127.0.0.1", another: str = "PORT={port} make run") -> None:
    """Check that the port is free. `another` is the command for another port, for the message."""
    # SO_REUSEADDR, as the web server sets it, ignores the closed connections of an earlier run. On macOS it would also share the
    # port with a listener on all addresses; connecting finds that one.
    with socket.socket() as probe, socket.socket() as caller:
        caller.settimeout(2)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            busy = caller.connect_ex((host, port)) == 0
            probe.bind((host, port))
        except PermissionError:
            raise CanNotRun(
                f"Port {port} is for administrators only. Use another port: {another.format(port=8001)}", REFUSED
            ) from None
        except OSError:
            busy = True
    if busy:
        other = port + 1 if port < 65535 else port - 1
        raise CanNotRun(f"Port {port} is in use by another program. Use another port: {another.format(port=other)}", REFUSED)


def only_one() -> IO[str]:
    """Lock this folder for this `make run`, as long as the returned file is open."""
    lock = OWN_LOCK.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise CanNotRun(
            f"`make run` or `runserver` runs in this folder already (process {lock.read().strip() or 'unknown'}). "
            "Stop it with Ctrl-C in its terminal. Or run a second copy with its own data: VAR_DIR=/some/folder PORT=8001 "
            "make run. Or start only a second web server: python manage.py runserver 8001 --alone",
            REFUSED,
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def none_of_an_earlier_run() -> None:
    """Check that no program of an earlier run is left. Those of a killed `make run` need some seconds to end."""
    if nothing_left(patience=0):
        return
    print("• waiting for the programs of an earlier run to end", flush=True)
    if not nothing_left():
        raise CanNotRun("Programs of an earlier run are still running. Find them with: ps ax | grep manage.py", REFUSED)


def nothing_left(patience: float = PATIENCE_SECONDS) -> bool:
    """Return True if no program of an earlier run is left, after waiting for at most `patience` seconds."""
    limit = time.monotonic() + patience
    with PROGRAMS_LOCK.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > limit:
                    return False
            time.sleep(0.1)
