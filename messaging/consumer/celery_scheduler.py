# celery has no types.
# mypy: disable-error-code="misc,no-any-return"
"""Celery's beat. Its schedule is in memory (`messaging.celery` sets it), and it logs little while the broker doesn't answer."""

import logging
from typing import Any

from celery import beat
from kombu import Connection
from kombu.exceptions import OperationalError

from messaging.events.text import said

log = logging.getLogger(__name__)


class Scheduler(beat.Scheduler):
    """Logs once that the broker doesn't answer, and once that it answers again. Celery's scheduler logs a traceback for every tick
    between, one per second and context. A tick that can't be sent is dropped, because the next one does the same."""

    away = False

    def apply_entry(self, entry: beat.ScheduleEntry, producer: Any = None) -> None:
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except beat.SchedulingError as error:
            cause = error.__context__
            if isinstance(cause, self._outages):
                self._lost(cause)
            else:  # a bug must stay visible
                log.exception("%s can't be sent", entry.name)
        else:
            self._back()

    def _ensure_connected(self) -> Connection:
        """Connect without a log line for each failed attempt, because at the start there may be no broker yet."""
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
            log.warning("the broker doesn't answer; trying until it does: %s", said(error))
        self.away = True

    def _back(self) -> None:
        if self.away:
            log.info("the broker answers again")
        self.away = False
