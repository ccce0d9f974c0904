"""Events that failed: tried again with growing delays, then parked for a person. Nothing here is ever dropped.

A failed event is a row in the consumer's own database, written in the transaction that takes the rest of its batch. So the
message can be acknowledged, the queue moves on, and a wait of minutes holds no message in a broker.
"""

import random
import traceback as tracebacks
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from messaging import conf, handlers, reading
from messaging.errors import InvalidEnvelope
from messaging.models import Parked

State = Parked.State
DUE_AT_ONCE = 200


def park_unreadable(using: str, raw: Any, reason: str) -> Parked:
    """Park what is no valid event, at once: trying again can't help. `raw`: JSON, or bytes or text that isn't."""
    envelope = raw if isinstance(raw, dict | list | int | float | bool) else None
    known = raw if isinstance(raw, dict) else {}
    text = bytes(raw).decode("utf-8", "backslashreplace") if isinstance(raw, bytes | bytearray | memoryview) else str(raw)
    return Parked.objects.using(using).create(
        event_id=_short(known.get("id"), 100),
        event_type=_short(known.get("type"), 200),
        subject=_short(known.get("subject"), 100),
        envelope=envelope,
        raw="" if envelope is not None else text[: conf.LARGEST_EVENT],
        reason=reason[:500],
        attempts=1,
    )


def park_failed(using: str, event: handlers.Event, raw: Any, error: BaseException) -> Parked:
    """Keep an event whose handler failed, for its first retry."""
    parked = Parked(event_id=event.id, event_type=event.type, subject=event.subject, envelope=raw)
    _failed(parked, error)
    parked.save(using=using)
    return parked


def unsettled(using: str, event_ids: Sequence[str]) -> set[str]:
    """Those of these events that wait for a retry or a person."""
    if not event_ids:
        return set()
    rows = Parked.objects.using(using).filter(event_id__in=event_ids, state__in=[State.RETRYING, State.PARKED])
    return set(rows.values_list("event_id", flat=True))


def due(using: str, now: datetime | None = None) -> list[int]:
    """Ids of the events whose next try is due, oldest first, some at a time."""
    waiting = Parked.objects.using(using).filter(state=State.RETRYING, next_attempt_at__lte=now or timezone.now())
    return list(waiting.order_by("next_attempt_at").values_list("pk", flat=True)[:DUE_AT_ONCE])


def attempt(using: str, parked_id: int, *, by: str = "") -> Parked | None:
    """Try a kept event again, in one transaction with what its handler writes.

    Returns the row as it is afterwards: applied, waiting for its next try, or parked. None where another worker has it in hand,
    or it is settled already. A person's try (`by`) of a parked event that fails again leaves it parked.
    """
    with transaction.atomic(using=using):
        rows = Parked.objects.using(using).select_for_update(skip_locked=True)
        parked = rows.filter(pk=parked_id, state__in=[State.RETRYING, State.PARKED]).first()
        if parked is None:
            return None
        try:
            with transaction.atomic(using=using):
                event, handler = reading.read(using, parked.envelope)
                handlers.run(handler, [event])
        except InvalidEnvelope as error:
            parked.state, parked.reason, parked.next_attempt_at = State.PARKED, str(error)[:500], None
            parked.attempts += 1
        except Exception as error:
            _failed(parked, error, once_more=not by)
        else:
            parked.state, parked.next_attempt_at = State.APPLIED, None
            parked.settled_at, parked.settled_by = timezone.now(), by
        parked.save(using=using)
        return parked


def discard(using: str, parked_id: int, *, by: str, note: str) -> bool:
    """Set a parked message aside for good. It stays in the table, with who did it and why. False where it is settled already."""
    rows = Parked.objects.using(using).filter(pk=parked_id, state__in=[State.RETRYING, State.PARKED])
    changes = {"state": State.DISCARDED, "settled_at": timezone.now(), "settled_by": by, "note": note, "next_attempt_at": None}
    return bool(rows.update(**changes))


def _failed(parked: Parked, error: BaseException, *, once_more: bool = True) -> None:
    parked.attempts += 1
    parked.reason = f"{type(error).__name__}: {error}"[:500]
    parked.traceback = "".join(tracebacks.format_exception(error))
    delays = conf.retry_delays()
    if once_more and parked.attempts <= len(delays):
        # Jitter, so that a hundred events that failed together don't come back together.
        seconds = delays[parked.attempts - 1] * random.uniform(0.5, 1.5)
        parked.state, parked.next_attempt_at = State.RETRYING, timezone.now() + timedelta(seconds=seconds)
    else:
        parked.state, parked.next_attempt_at = State.PARKED, None


def _short(value: Any, length: int) -> str:
    return value[:length] if isinstance(value, str) else ""
