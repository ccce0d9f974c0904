"""The change ledger: every write to a tracked model raises the row's version, however the write was made.

A database trigger does it, so `save()`, `update()`, `bulk_create()`, `delete()`, raw SQL and other programs are all covered. A
query then finds every change without an event: `version > announced_version`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from django.apps import AppConfig
from django.db import connections, models, transaction

from messaging import settings
from messaging.database import engines
from messaging.database.engines.sqlite import KeptTriggers
from messaging.database.tracked import Tombstone, Tracked
from messaging.errors import NothingToAnnounce
from messaging.models import Ledger

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
        stays a tombstone for ever.
    """

    def decorate(model: type[M]) -> type[M]:
        tracked = Tracked(model, tombstone)
        TRACKED[tracked.aggregate] = tracked
        return model

    return decorate


def install(using: str, tracked: Tracked) -> None:
    """Install the triggers on a tracked model's table, and enter the rows that are older as announced. Safe to repeat."""
    engine, connection = engines.for_alias(using), connections[using]
    with transaction.atomic(using=using):
        if engine.install_trigger(connection, tracked):
            engine.backfill(connection, tracked)


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


def install_after_migrate(app_config: AppConfig, using: str, **kwargs: Any) -> None:
    """After `migrate`: install the triggers of this app's tracked models on their context's database, if both tables exist.

    A test database without migrations also gets the sequencer's function here.
    """
    keep_no_longer(using)
    if app_config.label == "messaging" and _has_ledger(using):
        engines.for_alias(using).install_stamping(connections[using])
    for tracked in TRACKED.values():
        ours = app_config.label in {tracked.model._meta.app_label, "messaging"}
        if not ours or using != alias_of(tracked):
            continue
        if engines.for_alias(using).table_exists(connections[using], tracked.table) and _has_ledger(using):
            install(using, tracked)


def aggregate_of(model: type[models.Model]) -> str:
    """The aggregate that a model's rows are; the model's label if it isn't tracked."""
    return next((tracked.aggregate for tracked in TRACKED.values() if tracked.model is model), model._meta.label_lower)


def alias_of(tracked: Tracked) -> str | None:
    """The database of the context that a tracked model's aggregate belongs to; None if it isn't of this process."""
    context = settings.contexts().get(tracked.context)
    return context.alias if context else None


def _has_ledger(using: str) -> bool:
    """Return True if the ledger has this release's columns. After `migrate messaging` to an earlier migration it doesn't; then the
    earlier release's own `migrate` installs its triggers."""
    if not engines.for_alias(using).table_exists(connections[using], Ledger._meta.db_table):
        return False
    with connections[using].cursor() as cursor:
        there = {column.name for column in connections[using].introspection.get_table_description(cursor, Ledger._meta.db_table)}
    return there.issuperset(field.column for field in Ledger._meta.concrete_fields)


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
            f"{aggregate} {unknown[0]}{more} is not in the ledger of {using!r}. Write the row before its event, in the same "
            "transaction, and declare a Feed of its model, or decorate it with @track."
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
    missing = Ledger.objects.using(using).filter(version__gt=models.F("announced_version"))
    return missing.filter(aggregate=aggregate) if aggregate else missing


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
