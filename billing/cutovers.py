"""Moving billing from one source of users to another, and the gate before the cache.

Every step is a row in billing's database, so running processes follow at their next batch. Back is always allowed: a way out that
has to be argued for is none. Only the step onto the cache is guarded: from then on a copy that is wrong makes an invoice wrong.
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
#: Shadow reads that have to agree before the cache may answer.
SHADOW_READS = 20
#: Mismatches that are looked at again before the gate has seen enough, and that it names.
MOST_LOOKED_AT, MOST_NAMED = 100, 3

Where = Cutover.Source


@dataclass(frozen=True)
class State:
    """Where billing reads users from, how many mismatches stand, and what the gate to the cache lacks, a sentence each."""

    cutover: Cutover
    mismatches: int
    lacks: list[str]

    @property
    def chosen(self) -> bool:
        """Whether somebody ever chose: there is a row."""
        return not self.cutover._state.adding


def now(*, lacks: Sequence[str] = ()) -> State:
    """The present state, without a look at the gate."""
    return State(selectors.cutover(), reads.standing().count(), list(lacks))


def state(*, wanted: int = SHADOW_READS) -> State:
    """The present state, and what the gate lacks: the copy is compared with `users`, and each mismatch that stands is looked at."""
    cutover = selectors.cutover()
    return now(lacks=[] if cutover.source == Where.CACHE else gate(cutover, wanted=wanted))


def move(*, to: str, by: str, wanted: int = SHADOW_READS, force: bool = False, reason: str = "") -> CutoverStep | None:
    """Read users from there from now on; None where billing does already.

    Raises `CutoverRefused` with what is missing. `force` passes the gate to the cache all the same, and is written down.
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
            raise CutoverRefused(f"Somebody else has just moved billing to {row.source}. Look again: cutover {CONTEXT}")
        if to == Where.CACHE and not force and reads.standing().exists():
            raise CutoverRefused(f"A shadow read has just found another mismatch. Look again: cutover {CONTEXT}")
        row.source, row.old, row.since = to, old, timezone.now()
        row.agreed = 0 if to == Where.SHADOW else row.agreed
        row.save(using=DATABASE)
        said = " ".join(filter(None, [reason, f"Lacked: {' '.join(lacks)}" if lacks else ""]))
        steps = CutoverStep.objects.using(DATABASE)
        return steps.create(before=before.source, after=to, by=by, forced=bool(lacks), reason=said)


def gate(cutover: Cutover, *, wanted: int = SHADOW_READS) -> list[str]:
    """What is missing before the cache may answer, a sentence each, with what to do."""
    lacks = (_bootstrapped(), _equal(), _watched(cutover, wanted), _agreeing())
    return [lack for lack in lacks if lack]


def look_again() -> list[ShadowMismatch]:
    """Ask old source and cache once more about each mismatch that stands; returns those that still do, at most 100."""
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
    """The live source that is kept in mind: shadow answers from it, and it is the way back."""
    live = {Where.MONOLITH.value, Where.API.value}
    old = to if to in live else before.old or next(name for name in (Where.MONOLITH, Where.API) if choice.wired(name)).value
    if to != Where.CACHE and not choice.wired(old):
        raise CutoverRefused(
            f"This process doesn't have {Where(old).label}: start it with CONTEXTS that have, or read from the API."
        )
    return old


def _bootstrapped() -> str:
    row = Subscription.objects.using(DATABASE).filter(pk=AUTHORITY).first()
    how = f"To do: bootstrap {CONTEXT} --from {AUTHORITY}."
    if row is not None and row.partial:
        return f"The bootstrap didn't take the past (--from-now), so the copy lacks users. {how}"
    if row is not None and row.state == Subscription.State.UNREACHABLE:
        return f"{AUTHORITY} didn't answer lately, so nobody knows how whole the copy is. See: status."
    if row is None or row.state != Subscription.State.LIVE:
        return f"The bootstrap isn't finished: the copy of {AUTHORITY} is {row.state if row else 'not begun'}. {how}"
    return ""


def _equal() -> str:
    found = compare.compare(Replica.of(CONTEXT, AUTHORITY))
    if found.verdict == "unreachable":
        return f"Fingerprints can't be compared: {str(found.error).rstrip('.')}."
    if found.differing:
        kinds = ", ".join(f"{number} {kind}" for kind, number in found.counts.items() if number)
        return f"Fingerprints differ: {kinds}. To do: reconcile {CONTEXT} --from {AUTHORITY} --repair."
    return ""


def _watched(cutover: Cutover, wanted: int) -> str:
    if cutover.source != Where.SHADOW:
        return f"Billing isn't in shadow, so old source and cache aren't compared. To do: cutover {CONTEXT} --to shadow."
    if cutover.agreed < wanted:
        agreed = f"{cutover.agreed} of {plural(wanted, 'shadow read')} agreed so far"
        return f"{agreed}. To do: generate_invoices, which reads every user."
    return ""


def _agreeing() -> str:
    try:
        rows = look_again()
    except SourceAway as error:
        number = reads.standing().count()
        return f"{_counted(number)}, and can't be looked at again: {error}"
    if not rows:
        return ""
    number = max(len(rows), reads.standing().count())
    named = "; ".join(str(row) for row in rows[:MOST_NAMED])
    more = f"; and {number - MOST_NAMED} more" if number > MOST_NAMED else ""
    return f"{_counted(number)} ({named}{more}). To do: reconcile {CONTEXT} --from {AUTHORITY} --repair."


def _counted(number: int) -> str:
    return plural(number, "shadow mismatch stands", "shadow mismatches stand")


def _cached(mismatch: ShadowMismatch) -> Standing | None:
    row = CachedUser.objects.using(DATABASE).filter(pk=mismatch.user_id).first()
    return Standing(row.user_id, row.status, row.version) if row else None
