"""The Celery app. `celery -A config worker -Q billing` is billing's worker; `messaging/transport/queues.py` has the queues."""

import os
from typing import Any

from celery import Celery, beat
from celery.apps.beat import Beat
from django.conf import settings

from messaging.transport import transports

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

transports.install()


class EndsQuietly(Beat):
    """A scheduler that SIGTERM can stop while it starts. Celery's handler builds the schedule, even while a first build is
    importing. Here it is built before the handler exists, so an earlier signal just ends the process."""

    def install_sync_handler(self, service: beat.Service) -> None:
        service.scheduler  # noqa: B018  (reading it builds it)
        super().install_sync_handler(service)


app = Celery("config")
app.Beat = app.subclass_with_self(EndsQuietly)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["messaging"])


@app.on_after_configure.connect  # type: ignore[untyped-decorator]
def _declare_queues(sender: Celery, source: Any, **kwargs: Any) -> None:
    """Give each context with events its queue. This can't be a setting, because making queues needs the settings."""
    from messaging.transport.queues import queue

    source["task_queues"] = [queue(name) for name in settings.DELIVERING]


# A worker keeps its database connections between tasks. By default Celery closes them around each task, and reopening costs more
# than a small message (measured: 40 messages/s against 150). The inbox replaces broken connections.
app.conf["CELERY_DB_REUSE_MAX"] = 10_000
