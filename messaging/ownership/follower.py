"""A context's own table as a copy of another context's rows, while that context owns them. `CACHES` declares it for a split.

It is a cache like any other, filled from the owner's feed by the conditional upsert and compared by fingerprints. There are three
differences. The table has its own ledger, so a column has the owner's version (`origin_version`; 0: the row was created here). The
copy is only written while the other context is the owner; the guard enforces that. And the table may have unique columns, whose
values the owner's rows may swap in any order.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from pydantic import BaseModel

from messaging.consumer.cache import Cache, nothing
from messaging.consumer.handlers import Event
from messaging.database.columns import column
from messaging.database.references import delete_unreferenced
from messaging.database.upsert import Upserted, upsert_newer
from messaging.errors import InTheWay
from messaging.ledger import ledger
from messaging.models import Subscription
from messaging.ownership.ownership import writing_as_follower
from messaging.settings import Alias

#: The id in a deleted aggregate's foreign keys in the feed; no row has it.
NOBODY = "00000000-0000-0000-0000-000000000000"
Row = dict[str, Any]


def none_gone(event: Event) -> bool:
    return False


def nothing_more(event: Event) -> Row:
    return {}


@dataclass(frozen=True)
class Follower:
    """Declares how the owner's rows become rows of `model`."""

    using: str
    model: type[models.Model]
    fields: tuple[str, ...]  #: the fields to copy
    unique: tuple[str, ...]  #: the fields that are unique together
    #: Maps a row's key to placeholder values for `unique`. Used if another row still has the values of a copied row, because its
    #: own newer change hasn't arrived yet.
    make_room: Callable[[Any], Mapping[str, Any]]
    version: str = "origin_version"  #: the field with the owner's version
    more: Callable[[Event], Row] = nothing_more  #: further values of a row, which the feed doesn't have
    once: tuple[str, ...] = ()  #: those of them that are written to new rows only
    gone: Callable[[Event], bool] = none_gone  #: returns True if the row was deleted, so it is deleted here too
    ready: Callable[[Sequence[Event]], None] = field(default=lambda events: None)  #: checks changes first; raises `NotYet`
    #: The (field, value) of an erased row, which stays erased. A row that the owner only deleted can be replaced by a new one.
    final: tuple[str, Any] | None = None
    owned: Callable[[], None] = nothing  #: see `Cache`

    @property
    def label(self) -> str:
        """The aggregate that the rows are."""
        return ledger.aggregate_of(self.model)

    def cache(self, reads: type[BaseModel]) -> Cache:
        """The declaration for `CACHES`. `reads`: the reader of the feed's data."""
        return Cache(
            model=self.model,
            key="id",
            fields=self.fields,
            reads=reads,
            apply=self.apply,
            version=self.version,
            tombstone=self.final,
            follows=True,
            owned=self.owned,
        )

    def apply(self, events: Sequence[Event], source: str) -> Upserted:
        """Write the owner's changes. They are the owner's to announce, so the ledger here marks them as announced and `republish`
        skips them. This context's own consumers still get them from its feed."""
        with writing_as_follower(self.using, self.label):
            newer = self._newer(events if source == "repair" else self._not_passed(events))
            deleted = [event for event in newer if self.gone(event)]
            changed = [event for event in newer if not self.gone(event)]
            removed = self._delete(deleted)
            self.ready(changed)
            self._make_room(changed)
            ended = self._ended(changed)
            done = upsert_newer(
                self.model,
                [self._row(event, ended) for event in changed],
                version=self.version,
                once=self.once,
                using=self.using,
            )
            ledger.note_only_deleted(
                self.using, self.label, {event.subject for event in changed if event.deleted and event.subject not in ended}
            )
            written = done.applied | removed
            if written:
                ledger.baseline(self.using, self.label, [str(key) for key in written])
        return Upserted(frozenset(written), len(events) - len(written))

    def _not_passed(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events beyond the checkpoint. If two processes read the feed, one may be late with a row that the other has deleted
        since; no version is left to compare."""
        using = Alias(self.using, self.label.partition(".")[0])
        rows = Subscription.objects.of(using).select_for_update()
        reached = {row.authority: row.checkpoint for row in rows.filter(authority__in={event.source for event in events})}
        return [event for event in events if (event.position or 0) > reached.get(event.source, 0)]

    def _newer(self, events: Sequence[Event]) -> list[Event]:
        rows = self.model._base_manager.using(self.using).filter(pk__in=[event.uuid for event in events])
        have = dict(rows.order_by("pk").select_for_update().values_list("pk", self.version))
        return [event for event in events if event.version > have.get(event.uuid, 0)]

    def _ended(self, events: Sequence[Event]) -> set[str]:
        """The subjects that are erased, here or by one of these events. The ledger here knows which were only deleted."""
        if self.final is None:
            return set()
        name, value = self.final
        told = {event.subject for event in events if getattr(event.data, name) == value and not event.deleted}
        rows = self.model._base_manager.using(self.using).filter(pk__in=[event.uuid for event in events], **{name: value})
        here = {str(key) for key in rows.values_list("pk", flat=True)}
        return told | (here - ledger.only_deleted(self.using, self.label, here))

    def _delete(self, events: Sequence[Event]) -> frozenset[Any]:
        return delete_unreferenced(self.model, self.using, [event.uuid for event in events]) if events else frozenset()

    def _make_room(self, events: Sequence[Event]) -> None:
        wanted = {self._held(event.data): event.uuid for event in events if all(self._held(event.data))}
        first = self.unique[0]
        rows = self.model._base_manager.using(self.using).filter(**{f"{first}__in": [values[0] for values in wanted]})
        for key, version, *values in rows.values_list("pk", self.version, *self.unique):
            if wanted.get(tuple(values), key) == key:
                continue
            if not version and key not in wanted.values():
                same = f"the same {' and '.join(self.unique)} as {wanted[tuple(values)]}"
                raise InTheWay(
                    f"{self.label} {key} was created in {self.label.partition('.')[0]} and has {same}, a row of the owner. "
                    "Change or delete one of them."
                )
            self.model._base_manager.using(self.using).filter(pk=key).update(**self.make_room(key))

    def _held(self, data: Any) -> tuple[Any, ...]:
        return tuple(getattr(data, name) for name in self.unique)

    def _row(self, event: Event, ended: Collection[str]) -> Row:
        columns = {column(self.model, name).name: getattr(event.data, name) for name in self.fields}
        if self.final and event.subject in ended:
            columns[self.final[0]] = self.final[1]
        return {"id": event.uuid, **columns, **self.more(event), self.version: event.version}


def clear_for_repair(cache: Cache, using: str, ids: Sequence[str], known: Sequence[str]) -> None:
    """Prepare rows that differ for a repair, so that the owner's rows replace them whatever their version.

    A cache's rows are deleted. A follower's rows get version 0 instead, because its own ledger would call deleted rows erased. Of
    the rows that the owner doesn't have, a follower deletes those that no foreign key refers to.

    Parameters
    ----------
    ids
        The rows that differ.
    known
        Those of them that the owner has.
    """
    rows = cache.model._base_manager.using(using)
    if not cache.follows:
        rows.filter(pk__in=ids).delete()
        return
    label, kept = ledger.aggregate_of(cache.model), set(known)
    with writing_as_follower(using, label):
        changed = [key for key in ids if key in kept]
        rows.filter(pk__in=changed).update(**{cache.version: 0})
        removed = delete_unreferenced(cache.model, using, [key for key in ids if key not in kept])
        ledger.baseline(using, label, [*changed, *map(str, removed)])
