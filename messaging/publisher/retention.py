"""Retention: deletes only rows that every consumer has passed.

The outbox and the tombstones would grow for ever. An old row of either is deleted if it was sent (or announced) *and* its
aggregate's latest change is at or below the checkpoint of every registered consumer. A consumer that never reported a checkpoint is
infinitely behind. The floor moves up with the deleted tombstones: a consumer that stopped below it can't learn these erasures from
the feed, and must bootstrap.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import CASCADE, ProtectedError, Q, QuerySet, RestrictedError
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging import failpoints
from messaging.database.outbox_pattern import FAILED, SENT, WAITING
from messaging.database.references import pointed_at
from messaging.database.tracked import Tracked
from messaging.ledger import entering, ledger, sequencer
from messaging.models import Consumer, Ledger
from messaging.models import Sequence as Head
from messaging.ownership import ownership
from messaging.publisher import outbox
from messaging.settings import Alias, context

BATCH_ROWS = 1000
Progress = Callable[[int], None]


@dataclass
class Purged:
    """The result of a purge: numbers of rows that were (or would be) deleted, and of old rows that stay."""

    outbox: int = 0  #: deleted outbox rows
    tombstones: int = 0  #: deleted tombstones
    held: dict[str, int] = field(default_factory=dict)  #: by consumer: rows that stay because it hasn't passed them
    unsent: int = 0  #: outbox rows that stay because they weren't sent
    unannounced: int = 0  #: tombstones that stay because no event announced them
    unclear: int = 0  #: tombstones that stay because the row has data again, or a foreign key protects it or would cascade

    def holds(self, names: list[str]) -> bool:
        """Count a row that stays because of these consumers. Returns True if there are any."""
        for name in names:
            self.held[name] = self.held.get(name, 0) + 1
        return bool(names)


def purge(authority: str, *, older_than: timedelta, dry_run: bool = False, progress: Progress = lambda done: None) -> Purged:
    """Delete older rows that no consumer needs, at most `BATCH_ROWS` per transaction. `progress` is called with the number of rows
    checked in each. Safe to stop and to repeat. With `dry_run` it only counts. Raises `BeingEntered`: an aggregate whose row isn't
    entered yet would look like one that every consumer has passed, and a row that is deleted meanwhile needs its tombstone."""
    using, before, done = context(authority).alias, timezone.now() - older_than, Purged()
    entering.require_entered(using)
    sequencer.stamp_pending(using)  # a change without a position would keep its rows
    done.unsent = outbox.rows(using, authority, WAITING, FAILED).filter(added__lt=before).count()
    _purge_outbox(_sent(authority, before), using, done, dry_run, progress)
    for tracked in _own(authority):
        _purge_tombstones(using, tracked, before, done, dry_run, progress)
    return done


def _own(authority: str) -> list[Tracked]:
    """The models whose rows this context may delete: its own, except those that another context owns now."""
    own = [tracked for tracked in ledger.TRACKED.values() if tracked.context == authority]
    return [tracked for tracked in own if ownership.owns(context(authority).alias, tracked.aggregate)]


def count_purgeable(authority: str, *, older_than: timedelta) -> int:
    """The number of rows that `purge` will check."""
    using, before = context(authority).alias, timezone.now() - older_than
    tombstones = Ledger.objects.using(using).filter(aggregate__in=[tracked.aggregate for tracked in _own(authority)], deleted=True)
    return _sent(authority, before).count() + tombstones.filter(changed_at__lt=before).count()


def _behind(position: int | None, checkpoints: dict[str, int]) -> list[str]:
    """The consumers that haven't passed this position: all of them for None, because the change isn't in the feed yet."""
    return [name for name, checkpoint in checkpoints.items() if position is None or checkpoint < position]


def _checkpoints(using: Alias) -> dict[str, int]:
    """The consumers' checkpoints. Each transaction reads them again, because consumers may be registered meanwhile."""
    return {name: checkpoint or 0 for name, checkpoint in Consumer.objects.of(using).values_list("name", "checkpoint")}


def _sent(authority: str, before: datetime) -> QuerySet[Published]:
    return outbox.rows(context(authority).alias, authority, SENT).filter(added__lt=before)


def _purge_outbox(sent: QuerySet[Published], using: Alias, done: Purged, dry_run: bool, progress: Progress) -> None:
    rows = sent.annotate(about=KeyTextTransform("subject", "body")).order_by("added", "id")
    behind = Q()
    while True:
        with transaction.atomic(using=using):
            batch = list(rows.filter(behind).values_list("added", "id", "destination", "about")[:BATCH_ROWS])
            if not batch:
                return
            keys = {pk: (".".join(wire.split(".")[:2]), str(subject)) for _, pk, wire, subject in batch}
            at, checkpoints = ledger.positions(using, keys.values()), _checkpoints(using)
            # An aggregate without an entry was a tombstone that every consumer had passed.
            safe = [pk for pk, key in keys.items() if key not in at or not done.holds(_behind(at[key][1], checkpoints))]
            if not dry_run:
                sent.filter(pk__in=safe).delete()
            failpoints.reach("purge.outbox")
        done.outbox += len(safe)
        progress(len(batch))
        added, last = batch[-1][:2]
        behind = Q(added__gte=added) & (Q(added__gt=added) | Q(id__gt=last))


def _purge_tombstones(using: Alias, tracked: Tracked, before: datetime, done: Purged, dry_run: bool, progress: Progress) -> None:
    entries = Ledger.objects.using(using).filter(aggregate=tracked.aggregate, deleted=True, changed_at__lt=before)
    last = 0
    while True:
        with transaction.atomic(using=using):
            batch = list(entries.filter(position__gt=last).order_by("position")[:BATCH_ROWS])
            if not batch:
                return
            safe = list(_safe(using, tracked, batch, done))
            removed = safe if dry_run else _remove(using, tracked, safe, done)
            failpoints.reach("purge.tombstones")
        done.tombstones += len(removed)
        progress(len(batch))
        last = batch[-1].position or 0


def _safe(using: Alias, tracked: Tracked, batch: list[Ledger], done: Purged) -> Iterator[Ledger]:
    """The tombstones that every consumer has passed, and that no unsent event is about."""
    checkpoints, ids = _checkpoints(using), [entry.aggregate_id for entry in batch]
    told = set(
        outbox.rows(using, tracked.aggregate, WAITING, FAILED)
        .filter(body__subject__in=ids)
        .annotate(about=KeyTextTransform("subject", "body"))
        .values_list("about", flat=True)
    )
    not_tombstoned = _rows_not_tombstoned(using, tracked, ids)
    for entry in batch:
        if done.holds(_behind(entry.position, checkpoints)) or entry.aggregate_id in told:
            continue
        if entry.version > entry.announced_version:
            done.unannounced += 1
        elif entry.aggregate_id in not_tombstoned:
            done.unclear += 1
        else:
            yield entry


def _rows_not_tombstoned(using: Alias, tracked: Tracked, ids: list[str]) -> set[str]:
    """The ids whose row must stay: it isn't a tombstone, because it was written again, or its deletion would cascade."""
    rows = _rows(using, tracked, ids)
    if tracked.tombstone_condition is not None:
        rows = rows.exclude(pk__in=rows.filter(tracked.tombstone_condition).values("pk"))
    return {str(key) for key in rows.values_list(tracked.key.attname, flat=True)} | _pulling(using, tracked, ids)


def _pulling(using: Alias, tracked: Tracked, ids: list[str]) -> set[str]:
    """The ids whose row's deletion would cascade to other rows."""
    keys = dict(_rows(using, tracked, ids).values_list("pk", tracked.key.attname))
    return {str(keys[pk]) for pk in pointed_at(tracked.model, using, list(keys), by=CASCADE)}


def _rows(using: Alias, tracked: Tracked, ids: Iterable[str]) -> "QuerySet[Any]":
    keys = [tracked.key.to_python(one) for one in ids]
    return tracked.model._base_manager.using(using).filter(**{f"{tracked.key.attname}__in": keys})


def _remove(using: Alias, tracked: Tracked, entries: list[Ledger], done: Purged) -> list[Ledger]:
    """Delete the aggregates' rows and entries, and move the floor, in the caller's transaction. Returns the deleted entries."""
    try:
        with transaction.atomic(using=using):
            return _removed(using, tracked, entries)
    except (ProtectedError, RestrictedError):
        if len(entries) == 1:
            done.unclear += 1
            return []
    middle = len(entries) // 2
    return [entry for half in (entries[:middle], entries[middle:]) for entry in _remove(using, tracked, half, done)]


def _removed(using: Alias, tracked: Tracked, entries: list[Ledger]) -> list[Ledger]:
    rows = _rows(using, tracked, [one.aggregate_id for one in entries])
    # The rows first and then their entries, as writers do; the other order could deadlock with them.
    list(rows.select_for_update().values_list("pk"))
    found = Ledger.objects.using(using).select_for_update().in_bulk([entry.pk for entry in entries])
    # A write in between raised the entry's version and cleared its position.
    same = [one for one in entries if one.pk in found and found[one.pk].version == one.version and found[one.pk].position]
    kept = _pulling(using, tracked, [one.aggregate_id for one in same])  # again, now that the locks keep out new references
    same = [one for one in same if one.aggregate_id not in kept]
    gone = [one.pk for one in same]
    _rows(using, tracked, [one.aggregate_id for one in same]).delete()
    Ledger.objects.using(using).filter(pk__in=gone).delete()  # last, because the rows' trigger has just updated them
    highest = max((one.position or 0 for one in same), default=0)
    Head.objects.of(using).filter(floor__lt=highest).update(floor=highest)
    return same
