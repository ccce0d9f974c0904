"""Moves billing from one source of users to another, and guards the step to the cache.

Every step is a row in billing's database, so running processes follow at their next batch. Only the step to the cache is guarded,
because a wrong copy then makes a wrong invoice. The steps back are always allowed: a way out must need no argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from billing import selectors
from billing.errors import CutoverRefused, SourceAway
from billing.models import CachedUser, Cutover, CutoverStep, ShadowMismatch
from billing.sources import choice, reads
from billing.sources.base import Source, Standing
from messaging.events import plural
from messaging.models import Subscription
from messaging.replica import Replica, compare
from messaging.settings import context

DATABASE, CONTEXT, AUTHORITY = context("billing").alias, "billing", "users"
#: Shadow reads that must agree before the cache may answer.
SHADOW_READS = 20
#: The gate reads so many open mismatches again, and names so many of them.
MOST_LOOKED_AT, MOST_NAMED = 100, 3

Where = Cutover.Source


@dataclass(frozen=True)
class State:
    """The source that billing reads users from, and what the gate to the cache found."""

    cutover: Cutover
    mismatches: int  #: Open shadow mismatches.
    lacks: list[str]  #: What is missing before the cache may answer, a sentence each.

    @property
    def chosen(self) -> bool:
        """Return True if a source was ever chosen."""
        return not self.cutover._state.adding


def now(*, lacks: Sequence[str] = ()) -> State:
    """Return the present state without checking the gate."""
    return State(selectors.cutover(), reads.standing().count(), list(lacks))


def state(*, wanted: int = SHADOW_READS) -> State:
    """Return the present state and check the gate: compare the copy with `users`, and read open mismatches again."""
    cutover = selectors.cutover()
    return now(lacks=[] if cutover.source == Where.CACHE else gate(cutover, wanted=wanted))


def move(*, to: str, by: str, wanted: int = SHADOW_READS, force: bool = False, reason: str = "") -> CutoverStep | None:
    """Read users from the source `to` from now on. Returns the recorded step, or None if billing reads from there already.

    Raises `CutoverRefused` with what is missing. `force` passes the gate to the cache anyway; the step records it.
    """
    before = selectors.cutover()
    if before.source == to:
        return None
    old = _old(before, to)
    lacks = gate(before, wanted=wanted) if to == Where.CACHE else []
    if lacks and not force:
        raise CutoverRefused(*lacks)
    with transaction.atomic(using=DATABASE):
        Cutover.objects.using(DATABASE).get_or_create(pk=1)
        row = Cutover.objects.using(DATABASE).select_for_update().get(pk=1)
        if row.source != before.source:
            raise CutoverRefused(f"Another process has just moved billing to {row.source}. Check with: manage.py cutover {CONTEXT}")
        if to == Where.CACHE and not force and reads.standing().exists():
            raise CutoverRefused(f"A shadow read has just found another mismatch. Check with: manage.py cutover {CONTEXT}")
        row.source, row.old, row.since = to, old, timezone.now()
        row.agreed = 0 if to == Where.SHADOW else row.agreed
        row.save(using=DATABASE)
        said = " ".join(filter(None, [reason, f"Lacked: {' '.join(lacks)}" if lacks else ""]))
        steps = CutoverStep.objects.using(DATABASE)
        return steps.create(before=before.source, after=to, by=by, forced=bool(lacks), reason=said)


def gate(cutover: Cutover, *, wanted: int = SHADOW_READS) -> list[str]:
    """Return what is missing before the cache may answer, each with what to do."""
    lacks = (_bootstrapped(), _equal(), _watched(cutover, wanted), _agreeing())
    return [lack for lack in lacks if lack]


def look_again() -> list[ShadowMismatch]:
    """Read each open mismatch again from the old source and the cache. Returns those that still differ, at most 100."""
    sources: dict[str, Source] = {}
    still: list[ShadowMismatch] = []
    try:
        for row in reads.standing().order_by("pk").iterator():
            if len(still) >= MOST_LOOKED_AT:
                break
            source = sources.get(row.old_source) or sources.setdefault(row.old_source, choice.opened(row.old_source))
            old, cached = source.one(row.user_id), _cached(row)
            reads.note(row.old_source, [(row.user_id, old, cached)], counts=False)
            if not reads.agree(old, cached):
                row.refresh_from_db(using=DATABASE)
                still.append(row)
    finally:
        for source in sources.values():
            source.close()
    return still


def _old(before: Cutover, to: str) -> str:
    """Return the live source to remember. Shadow answers from it, and the step back leads to it."""
    live = {Where.MONOLITH.value, Where.API.value}
    old = to if to in live else before.old or next(name for name in (Where.MONOLITH, Where.API) if choice.wired(name)).value
    if to != Where.CACHE and not choice.wired(old):
        raise CutoverRefused(
            f"This process can't read {Where(old).label}. Add its context to CONTEXTS and restart, or read from the API: "
            f"manage.py cutover {CONTEXT} --to api"
        )
    return old


def _bootstrapped() -> str:
    row = Subscription.objects.of(DATABASE).filter(authority=AUTHORITY).first()
    how = f"Run: manage.py bootstrap {CONTEXT} --from {AUTHORITY}."
    if row is not None and row.partial:
        return f"The bootstrap left out earlier users (--from-now), so the copy is incomplete. {how}"
    if row is not None and row.state == Subscription.State.UNREACHABLE:
        return f"{AUTHORITY} doesn't answer, so the copy may be incomplete. Check with: manage.py status."
    if row is None or row.state != Subscription.State.LIVE:
        return f"The bootstrap isn't finished: the copy of {AUTHORITY} is {row.state if row else 'not begun'}. {how}"
    return ""


def _equal() -> str:
    found = compare.compare(Replica.of(CONTEXT, AUTHORITY))
    if found.verdict == "unreachable":
        return f"Fingerprints can't be compared: {str(found.error).rstrip('.')}."
    if found.differing:
        kinds = ", ".join(f"{number} {kind}" for kind, number in found.counts.items() if number)
        return f"Fingerprints differ: {kinds}. Run: manage.py reconcile {CONTEXT} --from {AUTHORITY} --repair."
    return ""


def _watched(cutover: Cutover, wanted: int) -> str:
    if cutover.source != Where.SHADOW:
        why = "Shadow reads are off, so the copy isn't compared with the old source"
        return f"{why}. Run: manage.py cutover {CONTEXT} --to shadow."
    if cutover.agreed < wanted:
        agreed = f"{cutover.agreed} of {plural(wanted, 'shadow read')} agreed so far"
        return f"{agreed}. Run: manage.py generate_invoices, which reads every user."
    return ""


def _agreeing() -> str:
    try:
        rows = look_again()
    except SourceAway as error:
        number = reads.standing().count()
        return f"{_counted(number)}, and can't be read again: {error}"
    if not rows:
        return ""
    number = max(len(rows), reads.standing().count())
    named = "; ".join(str(row) for row in rows[:MOST_NAMED])
    more = f"; and {number - MOST_NAMED} more" if number > MOST_NAMED else ""
    return f"{_counted(number)} ({named}{more}). Run: manage.py reconcile {CONTEXT} --from {AUTHORITY} --repair."


def _counted(number: int) -> str:
    return plural(number, "shadow mismatch is open", "shadow mismatches are open")


def _cached(mismatch: ShadowMismatch) -> Standing | None:
    row = CachedUser.objects.using(DATABASE).filter(pk=mismatch.user_id).first()
    return Standing(row.user_id, row.status, row.version) if row else None
