"""Celery's scheduler, in a few lines where the broker is away: by default each tick that isn't sent is a traceback."""

import logging
from typing import Any

from celery import beat

from messaging import databases

log = logging.getLogger(__name__)


class Scheduler(beat.Scheduler):  # type: ignore[misc]  # Celery has no types
    """In memory: what ticks each second has no past that is worth a file."""

    _away = False

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        try:
            self.apply_async(entry, producer=producer, advance=False, retry=False)  # the next tick is the next try
        except beat.SchedulingError as error:
            self._say_away(error.__cause__ or error.__context__ or error)
        else:
            if self._away:
                log.info("the broker takes again what is due")
            self._away = False

    def _ensure_connected(self) -> Any:
        return self.connection.ensure_connection(
            lambda error, interval: self._say_away(error), self.app.conf.broker_connection_max_retries, interval_max=5
        )

    def _say_away(self, error: BaseException) -> None:
        if not self._away:
            log.warning("what is due can't be sent, trying again until it works: %s", databases.brief(error))
        self._away = True
