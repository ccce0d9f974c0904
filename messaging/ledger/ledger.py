"""The change ledger: every write to a tracked model moves its version, however the write was made.

A database trigger does it, not a convention: `save()`, `update()`, `bulk_create()`, `delete()`, raw SQL and another program's
connection all pass it. What no event was recorded for is then a query: `version > announced_version`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from django.apps import AppConfig
from django.db import connections, models, router, transaction

from messaging.database import engines
from messaging.database.engines.sqlite import KeptTriggers
from messaging.database.tracked import Tracked
from messaging.errors import NothingToAnnounce
from messaging.models import Ledger

M = TypeVar("M", bound=models.Model)
TRACKED: dict[str, Tracked] = {}


def track(*, tombstone: tuple[str, str] | None = None) -> Callable[[type[M]], type[M]]:
    """Class decorator: keep a ledger for this model.

    `tombstone`: the (field, value) that means the aggregate is erased, as ("status", "erased"). Once erased, always erased. A
    deleted row leaves a tombstone, too; one that is inserted with its id again lives, and its versions go on.
    """

    def decorate(model: type[M]) -> type[M]:
        TRACKED[model._meta.label_lower] = Tracked(model, tombstone)
        return model

    return decorate


def install(using: str, tracked: Tracked) -> None:
    """Put the trigger on a tracked model's table; rows that are older than it are entered as announced. Safe to repeat."""
    engine, connection = engines.for_alias(using), connections[using]
    with transaction.atomic(using=using):
        if engine.install_trigger(connection, tracked):
            engine.backfill(connection, tracked)


#: Databases that a `migrate` is at work on, and what keeps their triggers meanwhile.
_KEPT: dict[str, KeptTriggers] = {}


def keep_during_migrate(using: str, **kwargs: Any) -> None:
    """Before `migrate`: see that a SQLite table that is made anew keeps its triggers."""
    if connections[using].vendor == "sqlite" and using not in _KEPT:
        _KEPT[using] = KeptTriggers()
        connections[using].execute_wrappers.append(_KEPT[using])


def keep_no_longer(using: str) -> None:
    kept = _KEPT.pop(using, None)
    if kept in connections[using].execute_wrappers:
        connections[using].execute_wrappers.remove(kept)


def install_after_migrate(app_config: AppConfig, using: str, **kwargs: Any) -> None:
    """After `migrate`: install the triggers of this app's tracked models on this database, once both tables are there."""
    keep_no_longer(using)
    for tracked in TRACKED.values():
        ours = app_config.label in {tracked.model._meta.app_label, "messaging"}
        if not ours or not router.allow_migrate_model(using, tracked.model):
            continue
        if engines.for_alias(using).table_exists(connections[using], tracked.table) and _has_ledger(using):
            install(using, tracked)


def _has_ledger(using: str) -> bool:
    """Whether the ledger is there as this release knows it. It isn't after a `migrate messaging` to an earlier one, whose own
    `migrate` installs its triggers."""
    if not engines.for_alias(using).table_exists(connections[using], Ledger._meta.db_table):
        return False
    with connections[using].cursor() as cursor:
        there = {column.name for column in connections[using].introspection.get_table_description(cursor, Ledger._meta.db_table)}
    return there.issuperset(field.column for field in Ledger._meta.concrete_fields)


class Announced(NamedTuple):
    """An aggregate's current version, whether it is a tombstone, and whether it was erased."""

    version: int
    deleted: bool
    erased: bool


def announce(using: str, aggregate: str, subjects: Iterable[str]) -> dict[str, Announced]:
    """Note that events are recorded for the current versions; returns what those are. For `outbox.record_many` and nobody else.

    Raises `NothingToAnnounce` where a subject has no ledger entry: its row was not written before its event, or its model is not
    tracked.
    """
    wanted = sorted(set(subjects))
    marked = engines.for_alias(using).announce(using, aggregate, wanted)
    found = {subject: Announced(version, bool(deleted), bool(erased)) for subject, version, deleted, erased in marked}
    unknown = [subject for subject in wanted if subject not in found]
    if unknown:
        more = f" (and {len(unknown) - 1} more)" if unknown[1:] else ""
        raise NothingToAnnounce(
            f"{aggregate} {unknown[0]}{more} is not in the ledger of {using!r}. Write the row before its "
            "event, in the same transaction, and mark its model with @track."
        )
    return found


def baseline(using: str, aggregate: str, subjects: Iterable[str]) -> int:
    """Take these aggregates' changes as announced long ago: their history is gone. Returns how many there were."""
    return len(announce(using, aggregate, subjects))


def only_deleted(using: str, aggregate: str, subjects: Iterable[str]) -> set[str]:
    """Those that are tombstones and were not erased."""
    entries = Ledger.objects.using(using).filter(aggregate=aggregate, deleted=True, erased=False)
    return set(entries.filter(aggregate_id__in=list(subjects)).values_list("aggregate_id", flat=True))


def note_only_deleted(using: str, aggregate: str, subjects: Iterable[str]) -> None:
    """Note that these were not erased, though the row was written as a tombstone: it is a copy of one that its owner deleted."""
    Ledger.objects.using(using).filter(aggregate=aggregate, aggregate_id__in=list(subjects)).update(erased=False)


def unannounced(using: str, aggregate: str | None = None) -> models.QuerySet[Ledger]:
    """Aggregates whose last change no event was recorded for; an indexed query that doesn't grow with the table."""
    missing = Ledger.objects.using(using).filter(version__gt=models.F("announced_version"))
    return missing.filter(aggregate=aggregate) if aggregate else missing


def positions(using: str, aggregates: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int | None]]:
    """(aggregate, subject) to (version, position) of its latest change; position None while it isn't stamped."""
    by_aggregate: dict[str, list[str]] = {}
    for aggregate, subject in aggregates:
        by_aggregate.setdefault(aggregate, []).append(subject)
    found: dict[tuple[str, str], tuple[int, int | None]] = {}
    for aggregate, subjects in by_aggregate.items():
        for subject, version, position in engines.for_alias(using).positions(using, aggregate, subjects):
            found[aggregate, subject] = (version, position)
    return found
