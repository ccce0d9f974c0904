"""What went wrong by itself, for a person to see: one open incident of a kind, which grows while it lasts."""

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from messaging.events.text import plural
from messaging.models import Incident
from messaging.settings import Alias, Context

#: Ids that are kept with an incident; the count goes on.
MOST_SUBJECTS = 1000
#: An incident that nothing was added to for so long is over; what comes then is a new one.
OVER = timedelta(hours=1)


def silent(using: Alias, authority: str, subjects: Sequence[str]) -> Incident | None:
    """Changes that only a pull brought: no event was ever recorded for them."""
    if not subjects:
        return None
    return _grow(using, Incident.Kind.SILENT, authority, subjects, "change", f"of {authority} came without an event.")


def drift(using: Alias, authority: str, subjects: Sequence[str]) -> Incident | None:
    """Rows that differ from the authority's. An empty list closes the incident."""
    if not subjects:
        _open(using, Incident.Kind.DRIFT, authority).update(closed_at=timezone.now())
        return None
    known = _open(using, Incident.Kind.DRIFT, authority).first()
    if known is not None:
        known.subjects, known.count = [], 0  # what differs now, not all that ever did
    text = f"of the copy of {authority}: not what the authority has."
    return _grow(using, Incident.Kind.DRIFT, authority, subjects, "row", text, known)


def restored(context: Context, authority: str, *, head: int, checkpoint: int) -> Incident | None:
    """An authority of a release without marks whose head lies below what a consumer had of it before it asked: positions were lost,
    and are given out again.

    The sign goes when the head has passed the checkpoint; what differs then is for the comparison to find.
    """
    if head >= checkpoint:
        settled(context.alias, authority)
        return None
    return set_back(
        context.alias,
        authority,
        f"{authority} was set back: it is at position {head}, and this copy has it up to {checkpoint}. Until it has passed that "
        f"again, only a comparison finds an event that is lost: reconcile {context.name} --from {authority}",
    )


def set_back(using: Alias, authority: str, summary: str) -> Incident:
    """Either side was set back to an earlier state; `settled` ends it."""
    known = _open(using, Incident.Kind.RESTORED, authority).first() or Incident(kind=Incident.Kind.RESTORED, authority=authority)
    known.summary = summary[:300]
    known.save(using=using)
    return known


def settled(using: Alias, authority: str) -> None:
    """Close what `set_back` opened."""
    _open(using, Incident.Kind.RESTORED, authority).update(closed_at=timezone.now())


def _open(using: Alias, kind: str, authority: str) -> "QuerySet[Incident]":
    return Incident.objects.using(using).filter(kind=kind, authority=authority, closed_at=None)


def _grow(
    using: Alias, kind: str, authority: str, subjects: Sequence[str], what: str, text: str, known: Incident | None = None
) -> Incident:
    if known is None:
        found = _open(using, kind, authority)
        found.filter(last_seen_at__lt=timezone.now() - OVER).update(closed_at=timezone.now())
        known = found.first() or Incident(kind=kind, authority=authority, subjects=[])
    kept = set(known.subjects)
    new = [subject for subject in dict.fromkeys(subjects) if subject not in kept]
    known.count += len(new)
    known.subjects = [*known.subjects, *new][:MOST_SUBJECTS]
    known.summary = f"{plural(known.count, what)} {text}"
    known.save(using=using)
    return known
