"""Runs a command that ends when its supervisor does, however the supervisor died:
`python config/runner/tether.py [--hold FILE] COMMAND ARGS…`.

The supervisor starts this with a pipe as standard input and keeps the other end. A process that is killed can't clean up, but
the kernel closes its files; so a small guard waits for the end of that pipe and then ends the command. The command replaces
this very process, so the supervisor's pid, signals and exit code are the command's own.

With `--hold`, the command and all its descendants share a lock on FILE (`flock`, shared) for as long as any of them lives, so
that whoever gets the lock for itself knows that nothing is left.

It is run by its path and with `-I -S`, so that it neither imports the project nor takes time to start.
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
"""Seconds between two looks whether the command is still there. A supervisor that closes the pipe then is noticed at once."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> NoReturn:
    """Leave a guard behind and become the command."""
    held = None
    if arguments[:1] == ["--hold"]:
        held, arguments = "".join(arguments[1:2]), arguments[2:]
    if not arguments or held == "":
        print("usage: tether.py [--hold FILE] COMMAND [ARGUMENT …], with a pipe as standard input", file=sys.stderr)
        sys.exit(2)
    command = os.getpid()
    leader = os.getpgrp() == command
    # Blocked meanwhile: a signal to the whole group must not end the guard before it ignores signals.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if os.fork() == 0:
        try:
            _guard(command, leader)
        finally:
            os._exit(0)  # never back into the caller's code
    if held is not None:  # after the fork: the guard is no part of what the lock stands for
        _hold(held)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if nothing != 0:
        os.close(nothing)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a command would inherit that
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        os.execvp(arguments[0], arguments)  # noqa: S606  (no shell is what is wanted)
    except OSError as error:
        print(f"{arguments[0]} can't be run: {error.strerror}.", file=sys.stderr)
        sys.stderr.flush()
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _hold(path: str) -> None:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.set_inheritable(lock, True)  # stays open, and locked, in what this process becomes and starts


def _guard(command: int, leader: bool) -> None:
    """Wait for the end of standard input or of the command, then see to it that nothing of the command is left."""
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
        # What the command started is in its group, and so is this guard: the group's number can't be somebody else's yet.
        os.killpg(command, signal.SIGKILL)


def _keep_only_standard_input() -> None:
    """Let go of everything else: a log that a reader follows to its end must not stay open because of the guard."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:  # the one that the listing itself had open
                continue


def _read() -> bool:
    """Whether the supervisor still holds its end. What it writes means nothing."""
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
