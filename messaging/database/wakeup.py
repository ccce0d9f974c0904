"""Wakes the relay at a commit.

PostgreSQL delivers NOTIFY with the commit. On SQLite the writer puts a byte into a named pipe after the commit, which wakes one of
the waiting relays; one is enough. A relay that misses a wake-up looks again after `POLL_SECONDS`.

Behind a pooler that gives each transaction another server connection, LISTEN is accepted but nothing arrives. So a waiter first
sends itself a notification. If that doesn't arrive, it logs a warning once, and polls.
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

#: How many seconds a waiter waits for its own notification.
HEARD_SECONDS = 2.0
#: Seconds until a relay looks without a wake-up.
POLL_SECONDS = 1.0


def wake(using: str) -> None:
    """Wake this context's relay when the current transaction commits."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        # Inside the transaction: PostgreSQL sends it at the commit, and merges equal notifications of one transaction. All
        # contexts of a database have one channel, where programs of the last release listen too.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [NOTIFY_CHANNEL, settings.owner(using)])
    else:
        pipe = _pipe(using)
        transaction.on_commit(lambda: _write(pipe), using=using)


def _pipe(using: str) -> Path:
    return settings.wake_folder() / settings.owner(using)


def _write(pipe: Path) -> None:
    try:
        # Non-blocking: without a reader it fails, and there is no relay to wake.
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        with suppress(BlockingIOError):  # the pipe is full of wake-ups already
            os.write(descriptor, b".")
    finally:
        os.close(descriptor)


class Waiter:
    """Lets a relay wait for a commit of its context."""

    def __init__(self, using: str) -> None:
        self.using = using
        self._wait: Callable[[float], bool] = (
            self._wait_for_notify if connections[using].vendor == "postgresql" else self._wait_for_pipe
        )
        self._descriptor: int | None = None
        self._listening: Any = None
        self._hears = True
        if connections[using].vendor != "postgresql":
            self._open_pipe()  # at once, so that a commit before the first wait isn't missed

    def wait(self, seconds: float | None = None) -> bool:
        """Return True at a wake-up, or False after `seconds` (`POLL_SECONDS` by default)."""
        return self._wait(POLL_SECONDS if seconds is None else seconds)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open_pipe(self) -> None:
        pipe = _pipe(self.using)
        pipe.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.mkfifo(pipe, 0o600)
        # Open for writing too, so that the pipe doesn't report end of file when a writer closes it.
        self._descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)

    def _wait_for_pipe(self, seconds: float) -> bool:
        if self._descriptor is None:
            return False
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if ready:
            with suppress(BlockingIOError):  # another relay was faster
                os.read(self._descriptor, 65536)
        return bool(ready)

    def _wait_for_notify(self, seconds: float) -> bool:
        connection = connections[self.using]
        connection.ensure_connection()
        raw: Any = connection.connection
        if self._listening is not raw:  # the first wait, or the first after a reconnect
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {NOTIFY_CHANNEL}")
            self._listening = raw
            self._try_listening(raw)
            return True  # commits before LISTEN didn't notify us, so look first
        if not self._hears:
            time.sleep(seconds)
            return False
        with connection.wrap_database_errors:
            # An empty one is from a program of the last release.
            return any(found.payload in {"", settings.owner(self.using)} for found in raw.notifies(timeout=seconds))

    def _try_listening(self, raw: Any) -> None:
        """Check that a notification from another connection arrives here."""
        connection: Any = connections[self.using]
        heard = False
        with connection.wrap_database_errors:
            # Connected by the driver: Django would take the connection out of its pool, if there is one, and not return it.
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
                "%s: commits don't wake the relay, because LISTEN doesn't work on this connection: it looks every %g s. "
                "Set the pooler to session pooling, or give the relay a database URL that connects to the server directly.",
                *(self.using, POLL_SECONDS),
            )
        self._hears = heard
