"""The Celery app. `celery -A config worker -Q billing` is billing's worker; the queues are in `messaging/transport/queues.py`."""

import os
from typing import Any

from celery import Celery, beat
from celery.apps.beat import Beat
from django.conf import settings

from messaging.transport import transports

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

transports.install()


class EndsQuietly(Beat):
    """A scheduler that may be told to stop while it starts. Celery's handler of SIGTERM asks for the schedule, and where that is
    being built it is built a second time, amid the first one's imports. Built before there is a handler, a signal just ends it."""

    def install_sync_handler(self, service: beat.Service) -> None:
        service.scheduler  # noqa: B018  (asking for it builds it)
        super().install_sync_handler(service)


app = Celery("config")
app.Beat = app.subclass_with_self(EndsQuietly)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["messaging"])


@app.on_after_configure.connect  # type: ignore[untyped-decorator]
def _declare_queues(sender: Celery, source: Any, **kwargs: Any) -> None:
    """Give each context that takes and sends events its queue. This is no setting: `messaging` makes queues, and reads settings."""
    from messaging.transport.queues import queue

    source["task_queues"] = [queue(name) for name in settings.DELIVERING]


# A worker's database connection outlives the task. Celery closes it before and after each one otherwise, and opening it again
# costs more than a small message (measured: 40 messages/s against 150). A connection that broke is replaced by the inbox.
app.conf["CELERY_DB_REUSE_MAX"] = 10_000
