"""The Celery app. `celery -A config worker -Q billing` is billing's worker; the queues are in `messaging/queues.py`."""

import os

from celery import Celery

from messaging import redis_transport

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

redis_transport.install()
app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["messaging"])
# A worker's database connection outlives the task. Celery closes it before and after each one otherwise, and opening it again
# costs more than a small message (measured: 40 messages/s against 150). A connection that broke is replaced by the inbox.
app.conf["CELERY_DB_REUSE_MAX"] = 10_000
