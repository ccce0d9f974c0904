"""The ledger: every write to a tracked model raises the row's version, however the write was made.

A database trigger does it, so `save()`, `update()`, `bulk_create()`, `delete()`, raw SQL and other programs are all covered. A
query then finds every change without an event: `version > announced_version`.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from django.apps import AppConfig
from django.core.management import CommandError
from django.db import connections, models

from messaging import settings
from messaging.database import engines, lock_waits
from messaging.database.engines.sqlite import KeptTriggers
from messaging.database.tracked import Tombstone, Tracked
from messaging.errors import NothingToAnnounce, TableBusy
from messaging.ledger import entering
from messaging.models import Ledger, Sequence, Tracking

M = TypeVar("M", bound=models.Model)
#: The tracked models, by aggregate.
TRACKED: dict[str, Tracked] = {}


def track(*, tombstone: Tombstone = None) -> Callable[[type[M]], type[M]]:
    """Class decorator that keeps a ledger for a model without a feed; a `Feed` tracks its own.

    A deleted row leaves a tombstone in the ledger. If a row is inserted with its id again, it is alive, and its versions continue.

    Parameters
    ----------
    tombstone
        The (field, value) of an erased aggregate, as ("status", "erased"), or a condition on its own columns. An erased aggregate
        stays a tombstone.
    """

    def decorate(model: type[M]) -> type[M]:
        tracked = Tracked(model, tombstone)
        TRACKED[tracked.aggregate] = tracked
        return model

    return decorate


def install(using: str, tracked: Tracked, say: lock_waits.Say = lock_waits.silent) -> int:
    """Install the triggers on a tracked model's table. Rows that are older are entered as announced: at once if they are few, or
    else by `entering.track`. Returns how many it entered. Safe to repeat. Raises `TableBusy`.

    Parameters
    ----------
    say
        Called with a sentence when other transactions use the table.
    """
    engine, connection = engines.for_alias(using), connections[using]
    begins = engine.trigger_missing(connection, tracked) and entering.is_due(using, tracked)

    def work() -> None:
        if engine.install_trigger(connection, tracked) and begins:
            entering.begin(using, tracked.aggregate)

    lock_waits.retried(using, tracked.table, work, say)
    if entering.unfinished(using, tracked.aggregate) and entering.is_small(using, tracked):
        return entering.enter(using, tracked, say=say)
    return 0


#: The databases that a `migrate` is running on.
_KEPT: dict[str, KeptTriggers] = {}


def keep_during_migrate(using: str, **kwargs: Any) -> None:
    """Before `migrate`: make sure that a recreated SQLite table keeps its triggers."""
    if connections[using].vendor == "sqlite" and using not in _KEPT:
        _KEPT[using] = KeptTriggers()
        connections[using].execute_wrappers.append(_KEPT[using])


def keep_no_longer(using: str) -> None:
    kept = _KEPT.pop(using, None)
    if kept in connections[using].execute_wrappers:
        connections[using].execute_wrappers.remove(kept)


def install_after_migrate(app_config: AppConfig, using: str, verbosity: int = 0, **kwargs: Any) -> None:
    """After `migrate`: install the triggers of this app's tracked models on their context's database, if both tables exist.

    A test database without migrations also gets the sequencer's function here. Raises `CommandError` if a table is in use all the
    time.
    """

    def say(sentence: str) -> None:
        if verbosity:
            (kwargs.get("stdout") or sys.stdout).write(f"  {sentence}\n")

    keep_no_longer(using)
    if not settings.names_in(using):
        return  # maybe another kind of database, in which nothing of ours is
    if app_config.label == "messaging" and _is_current(using, Sequence):
        engines.for_alias(using).install_stamping(connections[using])
    for tracked in TRACKED.values():
        ours = app_config.label in {tracked.model._meta.app_label, "messaging"}
        if not ours or using != alias_of(tracked):
            continue
        if engines.for_alias(using).table_exists(connections[using], tracked.table) and _is_current(using, Ledger, Tracking):
            try:
                install(using, tracked, say)
            except TableBusy as error:
                raise CommandError(f"The triggers of {tracked.aggregate} aren't installed: {error}", returncode=3) from None
            state = entering.unfinished(using, tracked.aggregate)
            if state:
                say(f"{entering.in_words(state)} Enter the rest beside the writers: manage.py track {tracked.aggregate}")


def aggregate_of(model: type[models.Model]) -> str:
    """The aggregate that a model's rows are; the model's label if it isn't tracked."""
    return next((tracked.aggregate for tracked in TRACKED.values() if tracked.model is model), model._meta.label_lower)


def alias_of(tracked: Tracked) -> str | None:
    """The database of the context that a tracked model's aggregate belongs to; None if it isn't of this process."""
    context = settings.contexts().get(tracked.context)
    return context.alias if context else None


def _is_current(using: str, *tables: type[models.Model]) -> bool:
    """Return True if tables have this release's columns. After `migrate messaging` to an earlier migration they don't; then the
    earlier release's own `migrate` installs its triggers and its function."""
    return all(_has_columns(using, model) for model in tables)


def _has_columns(using: str, model: type[models.Model]) -> bool:
    table = model._meta.db_table
    if not engines.for_alias(using).table_exists(connections[using], table):
        return False
    with connections[using].cursor() as cursor:
        there = {column.name for column in connections[using].introspection.get_table_description(cursor, table)}
    return there.issuperset(field.column for field in model._meta.concrete_fields)


class Announced(NamedTuple):
    """An aggregate's current version and state."""

    version: int
    deleted: bool  #: it is a tombstone
    erased: bool


def announce(using: str, aggregate: str, subjects: Iterable[str]) -> dict[str, Announced]:
    """Mark the aggregates' current versions as announced, and return them. Only `outbox.record_many` and `baseline` call it.

    Raises `NothingToAnnounce` if a subject has no ledger entry.
    """
    wanted = sorted(set(subjects))
    marked = engines.for_alias(using).announce(using, aggregate, wanted)
    found = {subject: Announced(version, bool(deleted), bool(erased)) for subject, version, deleted, erased in marked}
    unknown = [subject for subject in wanted if subject not in found]
    if unknown:
        more = f" (and {len(unknown) - 1} more)" if unknown[1:] else ""
        raise NothingToAnnounce(
            f"{aggregate} {unknown[0]}{more} is not in the ledger of {using!r}. Declare a Feed of its model, run "
            f"`migrate --database {using}`, and write the row before its event, in the same transaction."
        )
    return found


def baseline(using: str, aggregate: str, subjects: Iterable[str]) -> int:
    """Mark imported rows as announced, because their history is gone. Returns how many.

    Parameters
    ----------
    aggregate
        Its name in the ledger, as "users.user".

    Raises
    ------
    NothingToAnnounce
        A subject has no ledger entry.
    """
    return len(announce(using, aggregate, subjects))


def only_deleted(using: str, aggregate: str, subjects: Iterable[str]) -> set[str]:
    """The subjects that are tombstones but weren't erased."""
    entries = Ledger.objects.using(using).filter(aggregate=aggregate, deleted=True, erased=False)
    return set(entries.filter(aggregate_id__in=list(subjects)).values_list("aggregate_id", flat=True))


def note_only_deleted(using: str, aggregate: str, subjects: Iterable[str]) -> None:
    """Mark tombstones as not erased: they are copies of rows that the owner only deleted."""
    Ledger.objects.using(using).filter(aggregate=aggregate, aggregate_id__in=list(subjects)).update(erased=False)


def unannounced(using: str, aggregate: str | None = None) -> models.QuerySet[Ledger]:
    """Ledger entries whose last change has no event. The query has an index of its own, so its cost doesn't grow with the table."""
    missing = models.Q(version__gt=models.F("announced_version"))
    if aggregate:
        return Ledger.objects.using(using).filter(missing, aggregate=aggregate)
    return Ledger.objects.of(using).filter(missing)


def positions(using: str, aggregates: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int | None]]:
    """Map each known (aggregate, id) to (version, position) of its latest change. The position is None until it is stamped."""
    by_aggregate: dict[str, list[str]] = {}
    for aggregate, subject in aggregates:
        by_aggregate.setdefault(aggregate, []).append(subject)
    found: dict[tuple[str, str], tuple[int, int | None]] = {}
    for aggregate, subjects in by_aggregate.items():
        for subject, version, position in engines.for_alias(using).positions(using, aggregate, subjects):
            found[aggregate, subject] = (version, position)
    return found
