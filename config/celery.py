"""For `celery -A config`, as earlier releases start worker and scheduler. `manage.py worker` and `scheduler` replace it."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from messaging.celery import app  # noqa: E402  (after Django's setup, because the app's tasks use models)

__all__ = ["app"]
