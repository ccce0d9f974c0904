"""One at a time: a lock that its holder can't leave behind, because it goes with the holder's connection or process."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from messaging import conf
from messaging.errors import MessagingError


class Held(MessagingError):
    """Somebody else holds it."""


@contextmanager
def exclusive(using: str, name: str) -> Iterator[None]:
    """Hold the lock `name` of a context's database; raises `Held` at once where another process has it.

    On PostgreSQL an advisory lock of the session, so it holds across machines. SQLite is one machine's, and so is a locked file.
    """
    connection = connections[using]
    if connection.vendor == "postgresql":
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
            if not cursor.fetchone()[0]:
                raise Held(name)
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
        return
    folder = conf.wake_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{using}-{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Held(name) from None
        yield
