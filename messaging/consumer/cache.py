"""Declare a consumer's copy of another context's facts: one `Cache` per authority. Pull, bootstrap and reconcile read it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.module_loading import import_string
from pydantic import BaseModel

from messaging import settings
from messaging.consumer.handlers import Event
from messaging.database.columns import column
from messaging.database.keys import kind_of_key
from messaging.database.upsert import Upserted


def nothing() -> None:
    pass


@dataclass(frozen=True)
class Cache:
    """A consumer's copy of one authority's facts: its table, and how changes reach it."""

    #: The copy's rows, one per aggregate.
    model: type[models.Model]
    #: Their primary key: the aggregate's id.
    key: str
    #: The columns that copy the authority's fields of the same names.
    fields: tuple[str, ...]
    #: The consumer's own reader of the data.
    reads: type[BaseModel]
    #: Takes changes and their source ("event", "bootstrap", "repair" or "lookup"), which the copy keeps. Writes them by
    #: `upsert_newer` and does what follows from them, except from those that are `Event.old`. The same function serves events.
    apply: Callable[[Sequence[Event], str], Upserted]
    #: The column of the version.
    version: str = "version"
    #: (field, value) of an erased row. When the authority purges its tombstone, the copy deletes its own; that is no drift.
    tombstone: tuple[str, Any] | None = None
    #: A boolean field that `apply` fills with `Event.deleted` and names to `upsert_newer`. True: the row was deleted, not erased,
    #: and a new row may take its id. A copy without this field never lets an id return.
    deleted: str = ""
    #: Turns what `reads` read into the newest version, where the authority's feed still has the fields of an older one.
    upcast: Callable[[Any], BaseModel] | None = None
    #: The model is the consumer's own table, and a copy only while another context owns the facts
    #: (`messaging.ownership.follower`).
    follows: bool = False
    #: Does the work that waited while another context owned the rows. Called once this context owns them; may be called again.
    owned: Callable[[], None] = nothing

    @property
    def key_kind(self) -> str:
        """Return the kind of the ids, "uuid", "integer" or "text". Raises `UnusableKey`."""
        return kind_of_key(column(self.model, self.key))


def declared_caches(consumer: str) -> Mapping[str, Cache]:
    """Return a consumer's copies, by authority."""
    path = settings.caches_path(consumer)
    return import_string(path) if path else {}  # type: ignore[no-any-return]


def declared_cache(consumer: str, authority: str) -> Cache | None:
    """Return a consumer's copy of an authority's facts, or None if it keeps none."""
    return declared_caches(consumer).get(authority)
