"""The declarations of feeds and copies."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import DEFAULT_DB_ALIAS, models

from messaging import settings
from messaging.database import columns, row_hash
from messaging.database.keys import kind_of_key
from messaging.events.contract import NAME
from messaging.events.text import plural
from messaging.ledger import ledger
from messaging.operations.checks import declared
from messaging.operations.checks.ignored import contradictions_of_ignored
from messaging.publisher.feed import Feed, declared_feed


@register("messaging")
def feeds_can_be_compared(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E003: a feed or a copy has a key or a field that can't be compared."""
    found: list[CheckMessage] = []
    for what, feed in _feeds():
        tracked = feed.declared
        using = ledger.alias_of(tracked) or DEFAULT_DB_ALIAS
        if not declared.usable(using):
            continue
        found += _wrong_key(what, tracked.model, tracked.key_name)
        for name in feed.names:
            found += _wrong_source(what, using, tracked.model, feed.source(name), f"{what}: {name}")
        if tracked.tombstone_condition is not None:
            for refusal in columns.refusals(using, tracked.model, tracked.tombstone_condition):
                found.append(_uncomparable(f"{what}: its tombstone {refusal}.", OWN_COLUMNS))
    for context in declared.contexts():
        for authority, cache in declared.caches(context).items():
            what = f"The copy in {context} of {authority}"
            found += _wrong_key(what, cache.model, cache.key, primary=True, follows=cache.follows)
            for name in (*cache.fields, cache.version):
                found += _wrong_source(what, settings.context(context).alias, cache.model, name, f"{what}: {name}")
    return found


OWN_COLUMNS = "Use literals and the columns of the model's own table, and functions that every program's connection has."


def _feeds() -> list[tuple[str, Feed]]:
    declared = [(name, declared_feed(name)) for name in settings.feeds()]
    return [(f"The feed of {name}", feed) for name, feed in declared if feed is not None]


def _uncomparable(why: str, hint: str) -> CheckMessage:
    return Error(why, hint=hint, id="messaging.E003")


def _wrong_key(
    what: str, model: type[models.Model], key: str, *, primary: bool = False, follows: bool = False
) -> list[CheckMessage]:
    found = []
    try:
        field = columns.column(model, key)
        kind = kind_of_key(field)
    except (FieldDoesNotExist, TypeError) as why:
        return [_uncomparable(f"{what}: {why}", "Name a unique column of the model's own table that has one of these types.")]
    place = f"{what}: {model._meta.label}.{field.name}"
    alone = any(list(unique.fields) == [field.name] for unique in model._meta.total_unique_constraints)
    if primary and not field.primary_key:
        found.append(_uncomparable(f"{place} isn't the primary key.", "Name the model's primary key."))
    elif field.null or not (field.unique or alone):
        hint = "Two rows with one key would be one aggregate. Use a field with unique=True and without null=True."
        found.append(_uncomparable(f"{place} isn't unique, or may be NULL.", hint))
    if follows and kind != "uuid":
        hint = "Use a UUIDField: two contexts in turn give out the keys of rows that move, and other keys would collide."
        found.append(_uncomparable(f"{place} isn't a UUIDField.", hint))
    return found


def _wrong_source(what: str, using: str, model: type[models.Model], source: columns.Source, fact: str) -> list[CheckMessage]:
    if not isinstance(source, str):
        refused = [_uncomparable(f"{fact} {refusal}.", OWN_COLUMNS) for refusal in columns.refusals(using, model, source)]
        if refused:
            return refused
    try:
        row_hash.kind_of_field(columns.field_of(model, source))
    except (FieldDoesNotExist, TypeError) as why:
        return [_uncomparable(f"{what}: {why}", "Leave the field out, or use one with a form that all databases share.")]
    return []


@register("messaging")
def feeds_are_consistent(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E005: a feed's declaration contradicts itself, another feed, or its events."""
    found: list[CheckMessage] = []
    tables: dict[tuple[str | None, str], str] = {}
    feeds: dict[str, str] = {}
    for name in settings.feeds():
        feed = declared_feed(name)
        if feed is None:
            continue
        first = feeds.setdefault(feed.aggregate, name)
        if first != name:
            why = f"The feeds {first} and {name} both have the aggregate {feed.aggregate}."
            hint = (
                f'Remove one of them, or give it an aggregate of its own, for another model: aggregate="{feed.tracked.context}.…".'
            )
            found.append(Error(why, hint=hint, id="messaging.E005"))
        for why, hint in (*_contradictions(feed, settings.authority(name)), *contradictions_of_ignored(feed, name)):
            found.append(Error(f"The feed of {name}: {why}", hint=hint, id="messaging.E005"))
    for tracked in ledger.TRACKED.values():
        other = tables.setdefault((ledger.alias_of(tracked), tracked.table), tracked.aggregate)
        if other != tracked.aggregate:
            hint = "A table has one aggregate. Remove @track from a model with a feed, or one of the two feeds."
            why = f"The table {tracked.table} is tracked twice, as {other} and as {tracked.aggregate}."
            found.append(Error(why, hint=hint, id="messaging.E005"))
    return found


def _contradictions(feed: Feed, authority: str) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, how to correct it)."""
    tracked = feed.declared
    if not re.fullmatch(rf"{NAME}\.{NAME}", feed.aggregate) or tracked.context != authority or len(feed.aggregate) > 100:
        yield (
            f"its aggregate is {feed.aggregate!r}, which isn't a name in {authority}.",
            f'Give it one: aggregate="{authority}.thing". A name begins with a lower-case letter, and has only lower-case letters, '
            "digits and underscores; at most 100 characters in all.",
        )
    for event in feed.events():
        if event.aggregate() != feed.aggregate:
            yield (
                f"its event {event.wire} is about {event.aggregate()}, but the feed's aggregate is {feed.aggregate}.",
                "Begin the types of its events with the aggregate.",
            )
    if feed.announces is None and len(feed.events()) != 1:
        yield (
            f"{plural(len(feed.events()), 'event has', 'events have')} its facts, so it isn't clear which one announces a state.",
            "Set announces=…, a function that picks the event's class.",
        )
    for unknown in sorted(feed.fields.keys() - set(feed.names)):
        yield f"fields names {unknown}, which {feed.facts.__name__} doesn't have.", "Use the names of the facts."
    if tracked.model._meta.swapped:
        yield f"{tracked.model._meta.label} is swapped for {tracked.model._meta.swapped}.", "Name that model."
    declared = ledger.TRACKED.get(feed.aggregate, tracked)
    if declared != tracked and (feed.tombstone, feed.key, tracked.ignored) != (None, "pk", ()):
        yield (
            f"{tracked.model._meta.label} has @track with another tombstone, key or ignore.",
            "Remove @track: the feed tracks its model.",
        )
    for name in feed.names:
        yield from _contradictions_of_fact(feed, name)


def _contradictions_of_fact(feed: Feed, name: str) -> Iterator[tuple[str, str]]:
    try:
        field = columns.field_of(feed.tracked.model, feed.source(name))
        kind = row_hash.kind_of_field(field)
    except (FieldDoesNotExist, FieldError, TypeError):
        return  # messaging.E003
    if name not in feed.fields and (isinstance(field, models.EmailField) or field.name == "password"):
        yield (
            f"{name} is {'a password' if field.name == 'password' else 'an e-mail address'}, which is never in a feed by default.",
            f'Leave it out of {feed.facts.__name__}, or name it: fields={{"{name}": "{name}"}}.',
        )
    if kind == "date" and name not in feed.gone and not feed.may_be_none(name):
        yield f"{name} has no value for a gone aggregate.", f'Set it: gone={{"{name}": …}}.'
