"""Exclusive locks on one machine: a locked file, which the system unlocks when the process ends, however it ends."""

import fcntl
import functools
import hashlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from messaging import settings
from messaging.errors import Held


@contextmanager
def exclusive(using: str, purpose: str) -> Iterator[str]:
    """Lock a context's file for a purpose, and yield a value that identifies the machine. Raises `Held` at once if it is locked.

    The value is a hash of a random word in the file and of the machine's ids, because files get copied. Without a file that can be
    written and locked it is a new random value, and nothing is locked.
    """
    try:
        file = _opened(using, purpose)
    except OSError:
        yield secrets.token_hex(16)
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            word = _word(file)
        except BlockingIOError:
            raise Held(purpose) from None
        except OSError:  # a file system without locks, or a full disk
            word = secrets.token_hex(16)
        yield word


def _opened(using: str, purpose: str) -> TextIO:
    folder = settings.wake_folder()
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / f"{settings.owner(using)}-{purpose}.lock").open("a+")
    file.seek(0)
    return file


def _word(file: TextIO) -> str:
    known = file.read(32).strip()
    if not known:
        known = secrets.token_hex(16)
        os.write(file.fileno(), known.encode())  # unbuffered, so that closing can't fail on a full disk
    return hashlib.sha256(f"{known}\0{this_machine()}".encode()).hexdigest()[:32]


@functools.cache
def this_machine() -> str:
    """A text that identifies this machine since its last start: its host name, and its ids, which differ from a clone's."""
    ids = [socket.gethostname()]
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        with suppress(OSError):
            ids.append(Path(path).read_text())
    return "\0".join(ids)
