"""`scheduler`: ask the workers to retry failed events, until stopped."""

from typing import Any

from messaging.celery import app
from messaging.management.base import PlainErrors
from messaging.transport import broker


class Command(PlainErrors):
    help = (
        "Ask the workers of this process's contexts every second to retry the failed events that are due, until stopped (Ctrl-C, "
        "SIGTERM). Run exactly one for each context. For example: manage.py scheduler"
    )
    requires_system_checks: Any = []

    def handle(self, *args: Any, **options: Any) -> None:
        broker.url()  # before Celery asks for it, again and again
        app.Beat(quiet=True, loglevel="INFO").run()
