"""Runs a command that ends when its supervisor ends, even if the supervisor is killed:
`python config/runner/tether.py [--hold FILE] COMMAND ARGS…`.

The supervisor starts this with a pipe as standard input and keeps the other end open. A killed process can't clean up, but the
kernel closes its files. So a small guard waits for the end of the pipe and then ends the command. The command replaces this
process, so the supervisor sees the command's own pid, signals and exit code.

With `--hold`, the command and all its descendants share a lock on FILE (`flock`). An exclusive lock on FILE then proves that all of
them have ended.

Run it by its path and with `-I -S`, so that it starts fast and imports nothing of the project.
"""

import fcntl
import os
import select
import signal
import sys
import time
from typing import NoReturn

GRACE_SECONDS = 5.0
"""Seconds between SIGTERM and SIGKILL."""
LOOK_SECONDS = 1.0
"""Seconds between two checks for the command's end. The end of the pipe is noticed at once."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> NoReturn:
    """Fork a guard and become the command."""
    held = None
    if arguments[:1] == ["--hold"]:
        held, arguments = "".join(arguments[1:2]), arguments[2:]
    if not arguments or held == "":
        print("usage: tether.py [--hold FILE] COMMAND [ARGUMENT …], with a pipe as standard input", file=sys.stderr)
        sys.exit(2)
    command = os.getpid()
    leader = os.getpgrp() == command
    # Block signals: one to the whole group must not end the guard before it ignores them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if os.fork() == 0:
        try:
            _guard(command, leader)
        finally:
            os._exit(0)  # never return to the caller's code
    if held is not None:  # after the fork, so the guard doesn't share the lock
        _hold(held)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if nothing != 0:
        os.close(nothing)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and the command would too
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        os.execvp(arguments[0], arguments)  # noqa: S606  (without a shell on purpose)
    except OSError as error:
        print(f"{arguments[0]} can't be run: {error.strerror}.", file=sys.stderr)
        sys.stderr.flush()
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _hold(path: str) -> None:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.set_inheritable(lock, True)  # the command and its children keep it open and locked


def _guard(command: int, leader: bool) -> None:
    """Wait for the end of standard input or of the command, then end all that is left of the command."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    _keep_only_standard_input()
    while os.getppid() == command:
        readable, _, _ = select.select([0], [], [], LOOK_SECONDS)
        if readable and not _read():
            _end(command)
            break
    if leader:
        # The command's children are in its group. So is this guard, so the group's number can't be reused yet.
        os.killpg(command, signal.SIGKILL)


def _keep_only_standard_input() -> None:
    """Close everything else, so that the guard doesn't keep a log open that a reader follows to its end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:  # the listing's own descriptor
                continue


def _read() -> bool:
    """Return True while the supervisor keeps its end open. Its bytes have no meaning."""
    try:
        return bool(os.read(0, 4096))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _end(command: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        limit = time.monotonic() + GRACE_SECONDS
        if os.getppid() == command:
            os.kill(command, number)
        while os.getppid() == command and time.monotonic() < limit:
            time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1:])
