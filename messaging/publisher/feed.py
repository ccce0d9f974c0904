"""What an authority shows of its facts: one declaration per context, read by the feed, the fingerprints and `republish`."""

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
    """An authority's feed of one tracked model.

    `facts`: the contract whose fields are the data; the model has columns of the same names.
    `gone`: the data of an aggregate that is a tombstone without saying so itself (its row was deleted by hand, or changed after
    its erasure): field to value, or to `CHANGED_AT`; fields that aren't named are empty.
    `announces`: the event class that tells an aggregate's state, for `republish`: called with the facts, and whether it is the
    aggregate's first event. `keeps_gone`: whether a deleted aggregate counts as a row, with the data of `gone`, in fingerprints and
    single records; where it doesn't, copies delete theirs, and the feed alone tells of the deletion. `erase`: erases an aggregate
    by its id, for `erase_again`.
    """

    model: type[models.Model]
    facts: type[DomainEvent]
    gone: Mapping[str, Any]
    announces: Callable[[DomainEvent, bool], type[DomainEvent]]
    keeps_gone: bool = True
    erase: Callable[[str], object] | None = None
    fields: tuple[str, ...] = field(init=False)

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
        """The facts of a row (field to value), or of a tombstone. `row` None: there is none any more."""
        if row is not None and not (deleted and not self.row_is_tombstone(row)):
            return {name: row[name] for name in self.fields if name in row}
        wanted = self.fields if row is None else [name for name in self.fields if name in row]
        return {name: changed_at if self.gone.get(name) is CHANGED_AT else self.gone.get(name, "") for name in wanted}

    def row_is_tombstone(self, row: Mapping[str, Any]) -> bool:
        """Whether a tombstone's row holds what a tombstone should. What we weren't given can't be judged."""
        mark = self.tracked.tombstone
        return mark is not None and row.get(mark[0], mark[1]) == mark[1]

    def event(self, row: models.Model | None, *, deleted: bool, changed_at: datetime, first: bool) -> DomainEvent:
        """The event that tells an aggregate's present state. `first`: none was recorded for it before."""
        known = None if row is None else {name: getattr(row, name) for name in self.fields}
        values = self.values(known, deleted=deleted, changed_at=changed_at)
        for name, kind in self.facts.model_fields.items():
            if values[name] == "" and kind.annotation is datetime:
                values[name] = changed_at  # a tombstone has no other time
        facts = self.facts(**values)
        return self.announces(facts, first)(**facts.model_dump())


def declared_feed(authority: str) -> Feed | None:
    """What an authority of this process shows of its facts; None where it shows none."""
    path = settings.feed_path(authority)
    return import_string(path) if path else None  # type: ignore[no-any-return]
