"""The authority's register: which consumer gets which events and fields, and its checkpoint.

`tokens` has the consumers' tokens, `grants` their bootstrap grants. This module exports the functions of both.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from messaging import settings
from messaging.consumer import handlers
from messaging.consumer.cache import declared_cache
from messaging.errors import InvalidConsumer
from messaging.events import contract
from messaging.models import Consumer
from messaging.publisher import entries
from messaging.publisher.feed import declared_feed
from messaging.publisher.grants import close_bootstrap, may_read, open_bootstrap
from messaging.publisher.tokens import by_token, ensure_token, issue_token, keep_token, prolong_token
from messaging.settings import Alias

__all__ = [
    "by_token",
    "close_bootstrap",
    "ensure_token",
    "issue_token",
    "keep_token",
    "may_read",
    "must_be_published",
    "needed",
    "open_bootstrap",
    "prolong_token",
    "readers",
    "register_consumer",
    "register_follower",
    "registered",
    "report_checkpoint",
    "revoke_consumer",
]

NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
LONGEST_STALENESS = timedelta(days=3650)


def register_consumer(
    *,
    authority: str,
    name: str,
    types: Iterable[str],
    fields: Iterable[str],
    owners: Iterable[str] | None = None,
    staleness: timedelta | None = None,
) -> Consumer:
    """Register a consumer with the authority, or change its entry. Safe to repeat: token, grant and checkpoint stay.

    A new entry has no token, and may bootstrap until it succeeds.

    Parameters
    ----------
    owners
        E-mail addresses that are notified of repairs. None leaves them as they are.
    staleness
        How old its copy may be for its decisions. None leaves it as it is.

    Raises
    ------
    InvalidConsumer
        The name, a type, a field, an address or the bound isn't valid.
    """
    types, fields = sorted(set(types)), sorted(set(fields))
    if not NAME.fullmatch(name):
        raise InvalidConsumer(f"{name!r} can't be a consumer's name: at most 50 lowercase letters, digits and _, a letter first.")
    must_be_published(authority, types, fields)
    values: dict[str, Any] = {"queue": name, "types": types, "fields": fields}
    if owners is not None:
        values["owners"] = _addresses(owners)
    if staleness is not None:
        if not timedelta(seconds=1) <= staleness <= LONGEST_STALENESS:
            raise InvalidConsumer("The staleness bound must be from 1s to 3650d.")
        values["staleness_seconds"] = int(staleness.total_seconds())
    consumer, _ = entries.of(authority).update_or_create(context=authority, name=name, defaults=values)
    return consumer


def register_follower(*, authority: str, name: str, feed: str, fields: Iterable[str]) -> Consumer:
    """Register a consumer that only pulls one feed, without a queue. Safe to repeat: token, grant and checkpoint stay.

    Raises `InvalidConsumer` if an entry with this name gets events, because one entry has one checkpoint.
    """
    known = entries.of(authority).filter(name=name).first()
    if known is not None and known.queue:
        raise InvalidConsumer(f"{name} already gets events of {authority}. Register the reader of its feed under another name.")
    values = {"queue": "", "types": [], "feeds": [feed], "fields": sorted(set(fields))}
    consumer, _ = entries.of(authority).update_or_create(context=authority, name=name, defaults=values)
    return consumer


def revoke_consumer(*, authority: str, name: str) -> bool:
    """Remove a consumer from the register. It gets no more events, and its token ends. Returns False if it wasn't registered."""
    deleted, _ = entries.of(authority).filter(name=name).delete()
    return bool(deleted)


def registered(authority: str) -> list[Consumer]:
    """The authority's consumers, by name."""
    return list(entries.of(authority))


def readers(using: Alias, label: str) -> list[str]:
    """The names of the consumers of the model's context that read a model's feed or get its events."""
    feeds = {name for name in settings.feeds() if (feed := declared_feed(name)) and feed.aggregate == label}
    main = bool(feeds & settings.contexts().keys())
    return [
        consumer.name
        for consumer in Consumer.objects.of(using)
        if (feeds.intersection(consumer.feeds) if consumer.feeds else main)
        or any(wire.startswith(f"{label}.") for wire in consumer.types)
    ]


def report_checkpoint(*, authority: str, name: str, checkpoint: int) -> bool:
    """Store the position up to which a consumer has applied everything. A lower one than before changes only the report's time.
    Returns False if the consumer isn't registered."""
    forward = Greatest(Coalesce(F("checkpoint"), Value(0)), Value(checkpoint))
    return bool(entries.of(authority).filter(name=name).update(checkpoint=forward, reported_at=timezone.now()))


def needed(consumer: str, authority: str) -> list[str]:
    """The fields that a consumer of this process requires of an authority's events and feed; empty if it runs elsewhere."""
    if consumer not in settings.contexts():
        return []
    readers = [handler.reads for wire, handler in handlers.table(consumer).items() if wire.startswith(f"{authority}.")]
    cache = declared_cache(consumer, authority)
    kept = set(cache.fields) if cache else set()
    readers += [cache.reads] if cache else []
    required = {field.alias or name for reads in readers for name, field in reads.model_fields.items() if field.is_required()}
    return sorted(required | kept)


def _addresses(owners: Iterable[str]) -> list[str]:
    addresses = list(dict.fromkeys(owners))
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            raise InvalidConsumer(f"{address!r} is not an e-mail address.") from None
    return addresses


def must_be_published(authority: str, types: Sequence[str], fields: Sequence[str]) -> None:
    """Raise `InvalidConsumer` for types or fields that the authority doesn't publish, and if one of the lists is empty."""
    contract.load_contracts(authority)
    published = {wire: event for wire, event in contract.DomainEvent.registry.items() if event.source() == authority}
    unknown = [wire for wire in types if wire not in published]
    if unknown or not types:
        what = f"{authority} publishes no {unknown[0]}" if unknown else "A consumer needs at least one event type"
        raise InvalidConsumer(f"{what}. The types of {authority}: {', '.join(sorted(published)) or 'none'}.")
    known = {name for wire in types for name in published[wire].model_fields}
    strange = [name for name in fields if name not in known]
    if strange or not fields:
        what = f"The chosen events have no field {strange[0]!r}" if strange else "A consumer needs at least one field"
        raise InvalidConsumer(f"{what}. Their fields: {', '.join(sorted(known))}.")
