"""Retry failed events. Each try is one transaction, with what the handler writes; `parked.note_failure` schedules the next one."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from messaging.consumer import checkpoints, handlers, inbox, incoming
from messaging.consumer import parked as parked_events
from messaging.database import errors
from messaging.errors import DatabaseAway, InvalidEnvelope, MessageRejected
from messaging.models import Parked
from messaging.settings import context
from messaging.transport.queues import DELIVER

State = Parked.State
DUE_AT_ONCE = 200


def due(consumer: str, now: datetime | None = None) -> list[int]:
    """Return the ids of events whose retry is due, oldest first, at most `DUE_AT_ONCE`."""
    waiting = Parked.objects.of(context(consumer).alias).filter(state=State.RETRYING, next_attempt_at__lte=now or timezone.now())
    return list(waiting.order_by("next_attempt_at").values_list("pk", flat=True)[:DUE_AT_ONCE])


def attempt(consumer: str, parked_id: int, *, by: str = "") -> Parked | None:
    """Try a kept event again, in one transaction with what its handler writes.

    Returns the row after the try: applied, waiting for its next try, or parked. None if another worker holds it or it is settled.
    `by`: the person who retries; if their try fails, the event is parked. A row that isn't an event (`parked.retriable`) stays
    parked with its reason. While the database takes no writes, its error is raised and no try is counted.
    """
    here = context(consumer)
    using = here.alias
    with transaction.atomic(using=using):
        rows = Parked.objects.of(using).select_for_update(skip_locked=True)
        parked = rows.filter(pk=parked_id, state__in=[State.RETRYING, State.PARKED]).first()
        if parked is None:
            return None
        arrived = parked_events.arrived(parked)
        if not isinstance(arrived, dict):
            if parked.state != State.PARKED:
                parked.state, parked.next_attempt_at = State.PARKED, None
                parked.save(using=using)
            return parked
        try:
            with transaction.atomic(using=using):
                if parked.event_type == DELIVER:
                    _receive(consumer, arrived)
                else:
                    event, handler = incoming.read(consumer, arrived)
                    if handlers.run(handler, [event])[1] and event.mark:
                        checkpoints.note_late(here, event)
        except (InvalidEnvelope, MessageRejected) as error:
            parked.state, parked.reason, parked.next_attempt_at = State.PARKED, parked_events.one_line(str(error)), None
            parked.attempts += 1
        except Exception as error:
            if isinstance(error, DatabaseAway) or errors.is_away(using, error):
                raise
            parked_events.note_failure(parked, error, once_more=not by)
        else:
            parked.state, parked.next_attempt_at = State.APPLIED, None
            parked.settled_at, parked.settled_by = timezone.now(), by
        parked.save(using=using)
        return parked


def _receive(name: str, kept: dict[str, Any]) -> None:
    """Receive a message that was refused, if its signature is valid now. The inbox parks those of its events that fail."""
    consumer, events, publishers = incoming.delivery(kept, kept.get("body"))
    if consumer != name:
        raise InvalidEnvelope(f"It isn't addressed to {name}.")
    inbox.receive(name, events, publishers=publishers)
