"""The declaration of an authority's feed, which the feed's pages, the fingerprints and `republish` use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import models
from django.utils.module_loading import import_string

from messaging import settings
from messaging.database.tracked import Tracked
from messaging.events.contract import DomainEvent
from messaging.ledger.ledger import TRACKED

#: In `Feed.gone`: the time of the deletion.
CHANGED_AT: Final = "changed_at"


@dataclass(frozen=True)
class Feed:
    """An authority's feed of one tracked model."""

    model: type[models.Model]
    facts: type[DomainEvent]  #: the contract whose fields are the data; the model has columns with the same names
    #: The data of an aggregate whose row is gone, or was changed after its erasure: field to value, or to `CHANGED_AT`. Other
    #: fields are empty.
    gone: Mapping[str, Any]
    #: For `republish`: given the facts, and True for an aggregate's first event, returns the event class that announces the state.
    announces: Callable[[DomainEvent, bool], type[DomainEvent]]
    #: True: copies keep a deleted aggregate as a row with the data of `gone`, and fingerprints count it. False: copies delete it,
    #: and only the feed's pages show the deletion.
    keeps_gone: bool = True
    erase: Callable[[str], object] | None = None  #: for `erase_again`: erases an aggregate by its id
    fields: tuple[str, ...] = field(init=False)  #: the names of the facts

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.facts.model_fields))

    @property
    def tracked(self) -> Tracked:
        return TRACKED[self.label]

    @property
    def label(self) -> str:
        """`users.user`"""
        return self.model._meta.label_lower

    def values(self, row: Mapping[str, Any] | None, *, deleted: bool, changed_at: datetime) -> dict[str, Any]:
        """The facts (field to value) of a row, or of a tombstone. `row` is None if it is gone."""
        if row is not None and not (deleted and not self.row_is_tombstone(row)):
            return {name: row[name] for name in self.fields if name in row}
        wanted = self.fields if row is None else [name for name in self.fields if name in row]
        return {name: changed_at if self.gone.get(name) is CHANGED_AT else self.gone.get(name, "") for name in wanted}

    def row_is_tombstone(self, row: Mapping[str, Any]) -> bool:
        """Return True if the row itself has the tombstone's value. A missing value counts as it."""
        mark = self.tracked.tombstone
        return mark is not None and row.get(mark[0], mark[1]) == mark[1]

    def event(self, row: models.Model | None, *, deleted: bool, changed_at: datetime, first: bool) -> DomainEvent:
        """The event that announces an aggregate's present state. `first`: it is the aggregate's first event."""
        known = None if row is None else {name: getattr(row, name) for name in self.fields}
        values = self.values(known, deleted=deleted, changed_at=changed_at)
        for name, kind in self.facts.model_fields.items():
            if values[name] == "" and kind.annotation is datetime:
                values[name] = changed_at  # a tombstone has no other time
        facts = self.facts(**values)
        return self.announces(facts, first)(**facts.model_dump())


def declared_feed(authority: str) -> Feed | None:
    """The feed's declaration; None if this process has no such feed."""
    path = settings.feed_path(authority)
    return import_string(path) if path else None  # type: ignore[no-any-return]
