"""Shadow reads: compares the answers of the old source and the cache about a user, and records those that differ."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from billing.models import Cutover, ShadowMismatch
from billing.sources.base import ERASED, Standing
from messaging.settings import context

DATABASE = context("billing").alias
#: A user's id with the answers of the old source and the cache; None if unknown.
Read = tuple[UUID, Standing | None, Standing | None]


def agree(old: Standing | None, cached: Standing | None) -> bool:
    """Return True if both lead to the same decision. Versions aren't compared, because each authority counts its own. An unknown
    and an erased user agree, because the monolith deletes a row where `users` keeps a tombstone."""
    return (old.status if old else ERASED) == (cached.status if cached else ERASED)


def note(old_source: str, reads: Sequence[Read], *, counts: bool = True) -> int:
    """Count the reads that agree and settle these users' mismatches; record the reads that differ and return their number. Pass
    `counts=False` to read mismatches again without counting them as shadow reads."""
    differing = {user_id: (old, cached) for user_id, old, cached in reads if not agree(old, cached)}
    agreed = [user_id for user_id, _, _ in reads if user_id not in differing]
    with transaction.atomic(using=DATABASE):
        if agreed and counts:
            Cutover.objects.using(DATABASE).update(agreed=F("agreed") + len(agreed))
        if agreed:
            standing().filter(user_id__in=agreed).update(settled_at=timezone.now())
        if differing:
            _write(old_source, differing)
    return len(differing)


def standing() -> "QuerySet[ShadowMismatch]":
    """Return the open mismatches."""
    return ShadowMismatch.objects.using(DATABASE).filter(settled_at=None)


def _write(old_source: str, differing: dict[UUID, tuple[Standing | None, Standing | None]]) -> None:
    known = {row.user_id: row for row in standing().select_for_update().filter(user_id__in=differing)}
    rows = [known.get(user_id) or ShadowMismatch(user_id=user_id) for user_id in differing]
    for row in rows:
        old, cached = differing[row.user_id]
        row.old_source, row.seen_at, row.times = old_source, timezone.now(), row.times + 1
        row.old_status, row.old_version = (old.status, old.version) if old else ("", None)
        row.cache_status, row.cache_version = (cached.status, cached.version) if cached else ("", None)
    # Another run may have recorded the same user; one row per user is enough.
    ShadowMismatch.objects.using(DATABASE).bulk_create([row for row in rows if row.user_id not in known], ignore_conflicts=True)
    ShadowMismatch.objects.using(DATABASE).bulk_update(
        known.values(), ["old_source", "seen_at", "times", "old_status", "old_version", "cache_status", "cache_version"]
    )
