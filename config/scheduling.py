"""The scheduler that `celery beat` runs: in memory, and calm while the broker is away."""

import logging
from typing import Any

from celery import beat
from kombu import Connection
from kombu.exceptions import OperationalError

from messaging.events.text import said

log = logging.getLogger(__name__)


class Scheduler(beat.Scheduler):
    """Says once that the broker is away, and once that it is back. Celery's own logs a traceback for every tick in between, one a
    second for each context. A tick that couldn't be sent is dropped: the next one asks the same."""

    away = False

    def apply_entry(self, entry: beat.ScheduleEntry, producer: Any = None) -> None:
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except beat.SchedulingError as error:
            cause = error.__context__
            if isinstance(cause, self._outages):
                self._lost(cause)
            else:  # a bug stays visible
                log.exception("%s can't be sent", entry.name)
        else:
            self._back()

    def _ensure_connected(self) -> Connection:
        """As Celery's, which says for every attempt that it failed: at the start there may be no broker yet."""
        connection = self.connection.ensure_connection(
            lambda error, pause: self._lost(error), self.app.conf.broker_connection_max_retries
        )
        self._back()
        return connection

    @property
    def _outages(self) -> tuple[type[BaseException], ...]:
        return (OperationalError, *self.connection.connection_errors, *self.connection.channel_errors)

    def _lost(self, error: BaseException) -> None:
        if not self.away:
            log.warning("the broker doesn't answer, trying again until it does: %s", said(error))
        self.away = True

    def _back(self) -> None:
        if self.away:
            log.info("the broker answers again")
        self.away = False
