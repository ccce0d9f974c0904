"""How this alternative records an event, and how its consumer takes one."""

import os
from typing import Any

from django.db import transaction
from django_outbox_pattern.models import Published
from django_outbox_pattern.payloads import Payload

from benchmarks.alternatives.facts.events import apply

DESTINATION = f"/topic/bench.users.{os.environ['BENCH_MARK']}"


def record(events: list[dict[str, Any]]) -> None:
    """One `create` each, for `bulk_create` leaves the headers empty, and without them nothing tells a redelivery."""
    for event in events:
        Published.objects.create(destination=DESTINATION, body=event)


def consume(payload: Payload) -> None:
    """As its documentation has it: the writes and `save` in one transaction."""
    with transaction.atomic():
        apply(payload.body)
        payload.save()
