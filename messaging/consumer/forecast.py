"""Predict a message's outcome at a consumer that runs in this process: apply, duplicate or obsolete. Only reads."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import Error
from django_outbox_pattern.models import Received

from messaging import settings
from messaging.consumer import handlers, incoming
from messaging.consumer.cache import declared_cache

#: The event would move the copy's row; the inbox already has it; the copy has this version or a newer one.
APPLY, DUPLICATE, OBSOLETE = OUTCOMES = "apply", "duplicate", "obsolete"
#: The consumer couldn't read the event; the consumer runs in another process.
PARKED, UNKNOWN = "parked", "unknown"


def outcomes(consumer: str, authority: str, message: Sequence[dict[str, Any]]) -> list[str]:
    """Return one outcome per event of a message, by the rules of the inbox and of the copy's conditional upsert."""
    if consumer not in settings.contexts():
        return [UNKNOWN] * len(message)
    keys = [incoming.key(consumer, event["id"]) for event in message]
    known = set(Received.objects.using(settings.context(consumer).alias).filter(msg_id__in=keys).values_list("msg_id", flat=True))
    versions = _versions(consumer, authority, [event["subject"] for event in message])
    table = handlers.table(consumer)
    found: dict[int, str] = {}
    # A message's events are applied together, and only the newest of a row counts: so the newest comes first. A handler with `each`
    # gets them in the order of the message.
    singly = {wire for wire, handler in table.items() if handler.each}
    order = sorted(range(len(message)), key=lambda n: n if message[n]["type"] in singly else -message[n]["aggregateversion"])
    for number in order:
        event = message[number]
        if keys[number] in known:
            found[number] = DUPLICATE
        elif event["type"] not in table:
            found[number] = PARKED
        elif versions is not None and event["aggregateversion"] <= versions.get(event["subject"], 0):
            found[number] = OBSOLETE
        else:
            found[number] = APPLY
            if versions is not None:
                versions[event["subject"]] = event["aggregateversion"]
    return [found[number] for number in range(len(message))]


def outcomes_if_known(consumer: str, authority: str, message: Sequence[dict[str, Any]]) -> list[str]:
    """Like `outcomes`, but "unknown" while the consumer's database is unreachable: its queue keeps the message."""
    try:
        return outcomes(consumer, authority, message)
    except Error:
        return [UNKNOWN] * len(message)


def _versions(consumer: str, authority: str, subjects: Sequence[str]) -> dict[str, int] | None:
    """Return the copy's version of each subject that it has; None if the consumer keeps no copy."""
    cache = declared_cache(consumer, authority)
    if cache is None:
        return None
    field = cache.model._meta.get_field(cache.key)
    by_key: dict[Any, str] = {}
    for subject in subjects:
        try:
            by_key[field.to_python(subject)] = subject  # type: ignore[union-attr]  # the primary key is a column
        except ValidationError:
            continue  # no row has such a key
    rows = cache.model._base_manager.using(settings.context(consumer).alias).filter(pk__in=by_key).values_list("pk", cache.version)
    return {by_key[key]: version for key, version in rows}
