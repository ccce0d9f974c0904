"""django-celery-outbox: sending a task writes a row, and its relay sends that. It logs only warnings, and sends no metrics because
nothing receives them."""

import logging

import structlog

from benchmarks.alternatives.settings import *  # noqa: F403
from benchmarks.alternatives.settings import INSTALLED_APPS as COMMON

INSTALLED_APPS = ["django_celery_outbox", *COMMON]
CELERY_OUTBOX_APP = "benchmarks.alternatives.celery_outbox.tasks.app"
MONITORING_METRICS_ENABLED = False
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
