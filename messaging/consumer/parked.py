"""Keep failed events for a retry (`messaging.consumer.retries`), then park them for a person. No event is ever dropped.

A failed event becomes a row in the consumer's own database, in the transaction that takes the rest of its batch. So the message can
be acknowledged, the queue moves on, and no message waits for minutes in a broker.
"""

import json
import logging
import random
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import close_old_connections, connections
from django.utils import timezone

from messaging import settings
from messaging.consumer import handlers
from messaging.database import errors, outages
from messaging.events.limits import LARGEST_EVENT_BYTES
from messaging.events.text import error_line, safe, said, storable, traced, written
from messaging.models import Parked
from messaging.settings import Alias
from messaging.transport import signing
from messaging.transport.queues import DELIVER

log = logging.getLogger(__name__)
#: Least and most seconds before a message that couldn't be parked goes back to its queue, from where it comes again at once.
PAUSE_SECONDS = (0.5, 1.5)
#: The work that a database's outage stops, as `outages` logs it.
PARKING = "parking unreadable messages"
State = Parked.State
NEVER_AN_EVENT = "not an event, so it can't be retried, only discarded."


def keep(context: str, body: Any, reason: str, headers: Mapping[str, Any] | None = None) -> bool:
    """Park a message that can't be read, or (with its `headers`) one whose sender can't be verified.

    Returns False if the database didn't take it: the caller then returns it to its queue.
    """
    known = settings.contexts().get(context)
    if known is None:
        log.error("can't park a message for %r, which isn't a context of this process: %s", context, reason)
        time.sleep(random.uniform(*PAUSE_SECONDS))
        return False
    try:
        close_old_connections()
        if headers is None:
            park_unreadable(known.alias, body, reason)
        else:
            park_refused(known.alias, headers, body, reason)
    except Exception as error:
        if errors.takes_nothing(error):
            outages.began(log, context, PARKING, said(error))
        else:
            log.exception("%s: a message couldn't be parked and goes back to its queue", context)
        time.sleep(random.uniform(*PAUSE_SECONDS))
        return False
    finally:
        connections[known.alias].close()  # a worker's main process parks messages too; its children must not inherit a connection
    outages.ended(log, context, PARKING)
    log.warning("%s: parked a message: %s", context, reason)
    return True


def park_unreadable(using: Alias, raw: Any, reason: str) -> Parked:
    """Park an invalid event at once: a retry can't help. `raw`: JSON, or bytes or text that isn't JSON."""
    known = raw if isinstance(raw, dict) else {}
    return Parked.objects.using(using).create(
        context=settings.owner(using),
        event_id=_short(known.get("id"), 100),
        event_type=_short(known.get("type"), 200),
        subject=_short(known.get("subject"), 100),
        **_kept(raw),
        reason=one_line(reason),
        attempts=1,
    )


def park_refused(using: Alias, headers: Mapping[str, Any], body: Any, reason: str) -> None:
    """Park a message whose sender can't be verified.

    A delivery is kept whole with its signature, to be checked again once the publisher's key is known. Other tasks come every few
    seconds, so only one is kept per reason until a person settles it.
    """
    task, kept = _short(headers.get("task"), 200), _kept(body)
    if task == DELIVER:
        kept["raw"] = signing.signed_message_text(headers, body) or kept["raw"]
    elif Parked.objects.of(using).filter(event_type=task, reason=one_line(reason), state=State.PARKED).exists():
        return
    Parked.objects.using(using).create(context=settings.owner(using), event_type=task, **kept, reason=one_line(reason), attempts=1)


def park_failed(using: Alias, event: handlers.Event, raw: Any, error: BaseException) -> Parked:
    """Keep an event for its first retry after its handler failed."""
    parked = Parked(context=settings.owner(using), event_id=event.id, event_type=event.type, subject=event.subject, **_kept(raw))
    note_failure(parked, error)
    parked.save(using=using)
    return parked


def unsettled(using: Alias, event_ids: Sequence[str]) -> set[str]:
    """Return the ids of those events that wait for a retry or a person."""
    if not event_ids:
        return set()
    rows = Parked.objects.of(using).filter(event_id__in=event_ids, state__in=[State.RETRYING, State.PARKED])
    return set(rows.values_list("event_id", flat=True))


def discard(using: Alias, parked_id: int, *, by: str, note: str) -> bool:
    """Discard a parked message. Its row stays, with the person and their reason. Returns False if it was settled already."""
    rows = Parked.objects.of(using).filter(pk=parked_id, state__in=[State.RETRYING, State.PARKED])
    changes = {"state": State.DISCARDED, "settled_at": timezone.now(), "settled_by": by, "note": note, "next_attempt_at": None}
    return bool(rows.update(**changes))


def discard_for(using: Alias, source: str, subjects: Sequence[str]) -> int:
    """Discard waiting events of aggregates whose tombstones the authority has purged. Returns how many."""
    rows = Parked.objects.of(using).filter(state__in=[State.RETRYING, State.PARKED], subject__in=subjects)
    rows = rows.filter(event_type__startswith=f"{settings.authority(source)}.")
    note = f"The event's subject was erased, and {source} has purged its tombstone."
    return rows.update(state=State.DISCARDED, settled_at=timezone.now(), note=note, next_attempt_at=None)


def note_failure(parked: Parked, error: BaseException, *, once_more: bool = True) -> None:
    """Count a failed try and schedule the next one. After the last delay, or without `once_more`, the event is parked."""
    parked.attempts += 1
    parked.reason = error_line(error)[:500]
    parked.traceback = traced(error)
    delays = settings.retry_delays()
    if once_more and parked.attempts <= len(delays):
        # Jitter, so that a hundred events that failed together don't come back together.
        seconds = delays[parked.attempts - 1] * random.uniform(0.5, 1.5)
        parked.state, parked.next_attempt_at = State.RETRYING, timezone.now() + timedelta(seconds=seconds)
    else:
        parked.state, parked.next_attempt_at = State.PARKED, None


def retriable(parked: Parked) -> bool:
    """Return True if the row holds an event or a message, so that another try can succeed."""
    return isinstance(arrived(parked), dict)


def _kept(raw: Any) -> dict[str, Any]:
    """Return the columns that keep a message: as JSON if the database takes it, else as text that can be read back."""
    if isinstance(raw, dict | list | int | float) and storable(raw):
        return {"envelope": raw, "raw": ""}
    if isinstance(raw, bytes | bytearray | memoryview):
        text = bytes(raw).decode("utf-8", "backslashreplace")
    else:
        text = raw if isinstance(raw, str) else written(raw)
    return {"envelope": None, "raw": safe(text)[:LARGEST_EVENT_BYTES]}


def arrived(parked: Parked) -> Any:
    """Return the message as JSON; None if it isn't JSON or was too long to keep whole."""
    if parked.envelope is not None:
        return parked.envelope
    try:
        return json.loads(parked.raw)
    except (ValueError, RecursionError):
        return None


def one_line(reason: str) -> str:
    """Shorten a reason to one line that fits its column."""
    return " ".join(safe(reason).split())[:500]


def _short(value: Any, length: int) -> str:
    return safe(value)[:length] if isinstance(value, str) else ""
