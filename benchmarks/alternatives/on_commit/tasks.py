"""The Celery application, and how this alternative sends and receives an event."""

import os
from functools import partial
from typing import Any

from celery import Celery
from django.db import transaction

from benchmarks.alternatives.work import configure

app: Celery = configure(Celery("on_commit", broker=os.environ["CELERY_BROKER_URL"]), "on-commit")


@app.task(name="bench.apply", ignore_result=True)
def take(event: dict[str, Any]) -> None:
    from benchmarks.alternatives.facts.events import apply  # models need Django to be set up

    apply(event)


def record(events: list[dict[str, Any]]) -> None:
    for event in events:
        transaction.on_commit(partial(take.delay, event))
