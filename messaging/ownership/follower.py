"""A context's own rows as a copy of another context's, while that one owns them: what `CACHES` declares for a split.

It is a cache like any other, filled from the owner's feed by the conditional upsert and compared by fingerprints. Three things are
different. The rows have a ledger of their own, so they keep the owner's version in a column (`origin_version`; 0: the row began
here). They are only written while they are somebody else's, which the guard sees to. And they have unique columns, which the
owner's rows pass through in an order of its own.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from pydantic import BaseModel

from messaging.consumer.cache import Cache, nothing
from messaging.consumer.handlers import Event
from messaging.database.references import delete_unreferenced
from messaging.database.upsert import Upserted, column, upsert_newer
from messaging.errors import InTheWay
from messaging.ledger import ledger
from messaging.models import Subscription
from messaging.ownership.ownership import writing_as_follower

#: Nobody's id: a deleted aggregate's foreign keys in the feed.
NOBODY = "00000000-0000-0000-0000-000000000000"
Row = dict[str, Any]


def none_gone(event: Event) -> bool:
    return False


def nothing_more(event: Event) -> Row:
    return {}


@dataclass(frozen=True)
class Follower:
    """How rows of the owner become rows of `model`.

    `unique`: fields that must be unique together, and what makes room where another copied row still has their values (its own
    newer change is on its way): a function of that row's key to the values that are put in its place. `more`: values that a new
    row needs beside the fields that move; those named in `once` stay as they are in a row that is there. `gone`: whether a change
    says that the row was deleted; it is deleted here too. `final`: the (field, value) of an erased row, which stays one; where the
    owner's row was only deleted, a new one with its id takes its place. `ready`: looks at changes before they are written, and
    raises `NotYet`. `owned`: see `Cache`.
    """

    using: str
    model: type[models.Model]
    fields: tuple[str, ...]
    unique: tuple[str, ...]
    make_room: Callable[[Any], Mapping[str, Any]]
    version: str = "origin_version"
    more: Callable[[Event], Row] = nothing_more
    once: tuple[str, ...] = ()
    gone: Callable[[Event], bool] = none_gone
    ready: Callable[[Sequence[Event]], None] = field(default=lambda events: None)
    final: tuple[str, str] | None = None
    owned: Callable[[], None] = nothing

    @property
    def label(self) -> str:
        return self.model._meta.label_lower

    def cache(self, reads: type[BaseModel]) -> Cache:
        """The declaration for `CACHES`."""
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
        """Copy changes of the owner. What is written here was no event, and there is none to come: the ledger's entries are noted
        as announced, so that `republish` passes over them. Consumers of this context get them by their positions all the same."""
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
        """Without those that the checkpoint has passed. Two may read the feed at once, and one of them be late with a row that the
        other has seen deleted since: no version is left that would tell."""
        rows = Subscription.objects.using(self.using).select_for_update()
        reached = {row.pk: row.checkpoint for row in rows.filter(pk__in={event.source for event in events})}
        return [event for event in events if (event.position or 0) > reached.get(event.source, 0)]

    def _newer(self, events: Sequence[Event]) -> list[Event]:
        rows = self.model._base_manager.using(self.using).filter(pk__in=[event.uuid for event in events])
        have = dict(rows.order_by("pk").select_for_update().values_list("pk", self.version))
        return [event for event in events if event.version > have.get(event.uuid, 0)]

    def _ended(self, events: Sequence[Event]) -> set[str]:
        """Those that were erased, here or by one of these events, and stay it. The own ledger tells who was only deleted."""
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
                    f"{self.label} {key} began in {self.label.partition('.')[0]}, and has {same}, which comes from its owner. "
                    "Change or remove one of them."
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
    """Let the owner's rows pass in a repair, whatever version is here: `ids` differ, and the owner has those of them that are
    `known`.

    A copy's rows are taken out. Those of a follower are only forgotten to be copies: taken out and put back, their own ledger would
    call them erased for ever. And what others here point to isn't taken out: they are no copies of that owner's.
    """
    rows = cache.model._base_manager.using(using)
    if not cache.follows:
        rows.filter(pk__in=ids).delete()
        return
    label, kept = cache.model._meta.label_lower, set(known)
    with writing_as_follower(using, label):
        changed = [key for key in ids if key in kept]
        rows.filter(pk__in=changed).update(**{cache.version: 0})
        removed = delete_unreferenced(cache.model, using, [key for key in ids if key not in kept])
        ledger.baseline(using, label, [*changed, *map(str, removed)])
