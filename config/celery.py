"""The Celery app. `celery -A config worker -Q billing` is billing's worker; the queues are in `messaging/queues.py`."""

import os

from typing import Any

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["messaging"])


@worker_process_init.connect
def keep_connections(**kwargs: Any) -> None:
    """A worker's database connection outlives the task. Celery closes it after each one otherwise, which costs more than a small
    message itself. A connection that broke is replaced by the inbox."""
    from django.db import connections

    for connection in connections.all():
        connection.settings_dict["CONN_MAX_AGE"] = None
