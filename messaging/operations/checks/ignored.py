"""The columns that a feed leaves out of its versions."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import models

from messaging import settings
from messaging.database import columns
from messaging.publisher.feed import Feed


def contradictions_of_ignored(feed: Feed, name: str) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong with `ignore`, how to correct it)."""
    if isinstance(feed.ignore, str):
        yield f"ignore is the text {feed.ignore!r}.", f'Write ignore=("{feed.ignore}",).'
        return
    model = feed.declared.model
    used = _used(feed)
    for ignored in feed.ignore:
        try:
            field = columns.column(model, ignored)
        except (FieldDoesNotExist, TypeError):
            yield f"ignore names {ignored}, which isn't a column of {model._meta.label}.", "Use the names of the model's fields."
        else:
            if field in used:
                yield f"ignore names {ignored}, but the facts, the key or the tombstone need it.", "Take it out of ignore."
    if feed.ignore and name in {*settings.splits(), *settings.splits().values()}:
        yield "its rows move to another owner, so no column can be ignored.", "Remove ignore, or the entry in SPLITS."


def _used(feed: Feed) -> "set[models.Field[Any, Any]]":
    """The fields that a feed reads. A source that can't be resolved is reported by messaging.E003."""
    tombstone = feed.declared.tombstone_condition
    used: set[models.Field[Any, Any]] = set()
    for source in (feed.key, *map(feed.source, feed.names), *([] if tombstone is None else [tombstone])):
        with suppress(FieldDoesNotExist, FieldError, TypeError):
            used |= columns.fields_of(feed.declared.model, source)
    return used
