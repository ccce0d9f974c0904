"""How this alternative records and consumes an event."""

import os
from typing import Any

from django.db import transaction
from django_outbox_pattern.models import Published
from django_outbox_pattern.payloads import Payload

from benchmarks.alternatives.facts.events import apply

DESTINATION = f"/topic/bench.users.{os.environ['BENCH_MARK']}"


def record(events: list[dict[str, Any]]) -> None:
    """Record events with one `create` each. `bulk_create` leaves the headers empty, which are needed to recognise a redelivery."""
    for event in events:
        Published.objects.create(destination=DESTINATION, body=event)


def consume(payload: Payload) -> None:
    """Consume as in its documentation: the writes and `save` in one transaction."""
    with transaction.atomic():
        apply(payload.body)
        payload.save()
