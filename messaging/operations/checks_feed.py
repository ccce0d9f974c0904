"""System checks of feeds and caches: what fingerprints can compare."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from messaging import settings
from messaging.consumer.cache import declared_caches
from messaging.database import row_hash
from messaging.database.upsert import column
from messaging.publisher.feed import declared_feed


@register("messaging")
def feeds_can_be_compared(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E003: a feed or a cache has a key that is no UUID, or a field that can't be compared."""
    found: list[CheckMessage] = []
    for name in settings.feeds():
        feed = declared_feed(name)
        if feed is not None:
            found += _wrong(f"The feed of {name}", feed.model, "pk", feed.fields)
    for context in settings.contexts():
        for authority, cache in declared_caches(context).items():
            found += _wrong(f"{context}'s cache of {authority}", cache.model, cache.key, (*cache.fields, cache.version))
    return found


def _wrong(what: str, model: type[models.Model], key: str, fields: Sequence[str]) -> list[CheckMessage]:
    """What is wrong with a model's key and fields."""
    found: list[CheckMessage] = []
    try:
        field = column(model, key)
        if not isinstance(field, models.UUIDField) or not field.primary_key:
            hint = (
                "Give the model a UUIDField as its primary key: ranges of ids are compared, and only UUIDs sort alike everywhere."
            )
            found.append(Error(f"{what}: {model._meta.label}.{field.name} is no UUID key.", hint=hint, id="messaging.E003"))
    except (FieldDoesNotExist, TypeError) as error:
        found.append(Error(f"{what}: {error}", hint="Name the model's primary key.", id="messaging.E003"))
    for name in fields:
        try:
            row_hash.kind_of_field(column(model, name))
        except (FieldDoesNotExist, TypeError) as error:
            hint = "Name columns of texts, whole numbers, times or UUIDs: others aren't spelled alike on every database."
            found.append(Error(f"{what}: {error}", hint=hint, id="messaging.E003"))
    return found
