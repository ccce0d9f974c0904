"""The Celery application, and how this alternative records and receives an event."""

import os
from typing import Any

from celery import Celery
from django_celery_outbox import OutboxCelery

from benchmarks.alternatives.work import configure

app: Celery = configure(OutboxCelery("celery_outbox", broker=os.environ["CELERY_BROKER_URL"]), "celery-outbox")


@app.task(name="bench.apply", ignore_result=True)
def take(event: dict[str, Any]) -> None:
    from benchmarks.alternatives.facts.events import apply  # models need Django to be set up

    apply(event)


def record(events: list[dict[str, Any]]) -> None:
    """Record events. `delay` writes a row in the caller's transaction."""
    for event in events:
        take.delay(event)
