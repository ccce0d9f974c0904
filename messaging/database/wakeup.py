"""How a commit wakes the relay at once.

PostgreSQL delivers NOTIFY with the commit. On SQLite a byte in a named pipe does, written after the commit; each byte wakes one of
the relays that wait, which is all it takes. Whoever misses a wake-up looks again after `POLL_SECONDS`.

Behind a pooler that gives each transaction another server connection LISTEN is accepted, and nothing ever arrives. So a waiter
sends itself a notification first; where that doesn't come, it says so once, and only looks.
"""

import logging
import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db import connections, transaction

from messaging import settings
from messaging.database.engines.postgresql import NOTIFY_CHANNEL

log = logging.getLogger(__name__)

#: Seconds that a waiter's own notification may take.
HEARD_SECONDS = 2.0
#: The fallback: seconds until a relay looks without having been woken.
POLL_SECONDS = 1.0


def wake(using: str) -> None:
    """Wake this context's relay when the current transaction commits."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        # Inside the transaction: PostgreSQL sends it at the commit, and folds equal notifications of one transaction into one.
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {NOTIFY_CHANNEL}")
    else:
        transaction.on_commit(lambda: _write(_pipe(using)), using=using)


def _pipe(using: str) -> Path:
    return settings.wake_folder() / using


def _write(pipe: Path) -> None:
    try:
        # Non-blocking: with nobody reading, opening fails and nobody needs waking.
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        with suppress(BlockingIOError):  # full of wake-ups already
            os.write(descriptor, b".")
    finally:
        os.close(descriptor)


class Waiter:
    """Where a relay waits: `wait()` returns after a commit of its context, or after `POLL_SECONDS`."""

    def __init__(self, using: str) -> None:
        self.using = using
        self._wait: Callable[[float], None] = (
            self._wait_for_notify if connections[using].vendor == "postgresql" else self._wait_for_pipe
        )
        self._descriptor: int | None = None
        self._listening: Any = None
        self._hears = True
        if connections[using].vendor != "postgresql":
            self._open_pipe()  # now, so that a commit before the first wait isn't missed

    def wait(self, seconds: float | None = None) -> None:
        """Return at a wake-up, or after `seconds` (`POLL_SECONDS` by default)."""
        self._wait(POLL_SECONDS if seconds is None else seconds)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open_pipe(self) -> None:
        pipe = _pipe(self.using)
        pipe.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.mkfifo(pipe, 0o600)
        # Open for writing too, so that the pipe never reports its end when a writer goes.
        self._descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)

    def _wait_for_pipe(self, seconds: float) -> None:
        if self._descriptor is None:
            return
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if ready:
            with suppress(BlockingIOError):  # another relay was faster
                os.read(self._descriptor, 65536)

    def _wait_for_notify(self, seconds: float) -> None:
        connection = connections[self.using]
        connection.ensure_connection()
        raw: Any = connection.connection
        if self._listening is not raw:  # the first wait, or the first after a reconnect
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {NOTIFY_CHANNEL}")
            self._listening = raw
            self._try_listening(raw)
            return  # what was committed before LISTEN sent us nothing: look first
        if not self._hears:
            time.sleep(seconds)
            return
        with connection.wrap_database_errors:
            for _ in raw.notifies(timeout=seconds, stop_after=1):
                pass

    def _try_listening(self, raw: Any) -> None:
        """Find out whether what another connection notifies of arrives here."""
        connection: Any = connections[self.using]
        heard = False
        with connection.wrap_database_errors:
            # By the driver: Django's own way would take one out of its pool, where there is one, and nobody would give it back.
            other = connection.Database.connect(**connection.get_connection_params())
            try:
                other.autocommit = True
                other.execute(f"NOTIFY {NOTIFY_CHANNEL}")
            finally:
                other.close()
            for _ in raw.notifies(timeout=HEARD_SECONDS, stop_after=1):
                heard = True
        if self._hears and not heard:
            log.warning(
                "%s: no commit wakes the relay, because LISTEN doesn't work on this connection: it looks every %g s. "
                "A pooler has to pool sessions for it; or give the relay a database URL that leads to the server itself.",
                *(self.using, POLL_SECONDS),
            )
        self._hears = heard
