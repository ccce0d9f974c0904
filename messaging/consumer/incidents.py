"""Record faults that no person caused: at most one open incident per kind and authority. It grows while the fault lasts."""

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from messaging.events.text import plural
from messaging.models import Incident
from messaging.settings import Alias, Context, owner

#: Ids kept with an incident. Its count has no limit.
MOST_SUBJECTS = 1000
#: An incident that didn't grow for this long is over. The next fault opens a new one.
OVER = timedelta(hours=1)


def silent(using: Alias, authority: str, subjects: Sequence[str]) -> Incident | None:
    """Note aggregates whose change came by a pull: no event was recorded for it."""
    if not subjects:
        return None
    return _grow(using, Incident.Kind.SILENT, authority, subjects, ("row", "rows"), f"of {authority} changed without an event.")


def drift(using: Alias, authority: str, subjects: Sequence[str]) -> Incident | None:
    """Note rows that differ from the authority's. An empty list closes the incident."""
    if not subjects:
        _open(using, Incident.Kind.DRIFT, authority).update(closed_at=timezone.now())
        return None
    known = _open(using, Incident.Kind.DRIFT, authority).first()
    if known is not None:
        known.subjects, known.count = [], 0  # only the rows that differ now
    nouns = ("row differs", "rows differ")
    return _grow(using, Incident.Kind.DRIFT, authority, subjects, nouns, f"in the copy of {authority}.", known)


def restored(context: Context, authority: str, *, head: int, checkpoint: int) -> Incident | None:
    """Note an authority whose head is below the consumer's checkpoint: it lost positions and gives them out again.

    This is for authorities of a release without marks. The incident closes when the head has passed the checkpoint; from then on
    only a comparison finds what differs.
    """
    if head >= checkpoint:
        settled(context.alias, authority)
        return None
    return set_back(
        context.alias,
        authority,
        f"{authority} was set back: it is at position {head}, but this copy has positions up to {checkpoint}. Until it has passed "
        f"{checkpoint} again, only a comparison finds lost events: manage.py reconcile {context.name} --from {authority}",
    )


def set_back(using: Alias, authority: str, summary: str) -> Incident:
    """Open an incident: the authority or the consumer was set back to an earlier state."""
    found = _open(using, Incident.Kind.RESTORED, authority).first()
    known = found or Incident(context=owner(using), kind=Incident.Kind.RESTORED, authority=authority)
    known.summary = summary[:300]
    known.save(using=using)
    return known


def settled(using: Alias, authority: str) -> None:
    """Close the incident that `set_back` opened."""
    _open(using, Incident.Kind.RESTORED, authority).update(closed_at=timezone.now())


def _open(using: Alias, kind: str, authority: str) -> "QuerySet[Incident]":
    return Incident.objects.of(using).filter(kind=kind, authority=authority, closed_at=None)


def _grow(
    using: Alias,
    kind: str,
    authority: str,
    subjects: Sequence[str],
    nouns: tuple[str, str],
    text: str,
    known: Incident | None = None,
) -> Incident:
    if known is None:
        found = _open(using, kind, authority)
        found.filter(last_seen_at__lt=timezone.now() - OVER).update(closed_at=timezone.now())
        known = found.first() or Incident(context=owner(using), kind=kind, authority=authority, subjects=[])
    kept = set(known.subjects)
    new = [subject for subject in dict.fromkeys(subjects) if subject not in kept]
    known.count += len(new)
    known.subjects = [*known.subjects, *new][:MOST_SUBJECTS]
    known.summary = f"{plural(known.count, *nouns)} {text}"
    known.save(using=using)
    return known
