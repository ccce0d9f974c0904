"""A consumer's copy of another context's facts: one declaration per authority, read by pull, bootstrap and reconcile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.module_loading import import_string
from pydantic import BaseModel

from messaging import settings
from messaging.consumer.handlers import Event
from messaging.database.upsert import Upserted


def nothing() -> None:
    pass


@dataclass(frozen=True)
class Cache:
    """`model`: the cache's rows, one per aggregate. `key`: their primary key, the aggregate's id. `fields`: the columns that copy
    the authority's fields of the same names. `reads`: the consumer's own reader of the data.

    `upcast`: where the authority's feed still has an older version's fields, what makes of what `reads` read what `apply` knows;
    see `Handler`.

    `apply`: takes changes and where they come from (the value that the cache keeps as their source: event, bootstrap, repair,
    lookup), writes them by `upsert_newer`, and does what follows from them. The same function serves events.

    `tombstone`: the (field, value) of an erased row. One that the authority has purged is forgotten here too, and is no drift.
    `deleted`: a boolean field of the model, which `apply` fills with `Event.deleted` and names to `upsert_newer`. Where it is true
    the row was deleted and not erased: a new row with its id takes its place. Without the field none does.

    `follows`: the model is the consumer's own, and a copy only while another context owns the facts
    (`messaging.ownership.follower`).
    `owned`: does what was left undone while the rows were another's; called when the context owns them, more than once.
    """

    model: type[models.Model]
    key: str
    fields: tuple[str, ...]
    reads: type[BaseModel]
    apply: Callable[[Sequence[Event], str], Upserted]
    version: str = "version"
    tombstone: tuple[str, str] | None = None
    deleted: str = ""
    upcast: Callable[[Any], BaseModel] | None = None
    follows: bool = False
    owned: Callable[[], None] = nothing


def declared_caches(consumer: str) -> Mapping[str, Cache]:
    """A consumer's copies, by authority."""
    path = settings.caches_path(consumer)
    return import_string(path) if path else {}  # type: ignore[no-any-return]


def declared_cache(consumer: str, authority: str) -> Cache | None:
    """A consumer's copy of an authority's facts; None where it keeps none."""
    return declared_caches(consumer).get(authority)
