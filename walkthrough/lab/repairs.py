"""The lab's repair buttons. Each does the same as a command."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from messaging.consumer import retries
from messaging.events.text import plural
from messaging.models import Parked
from messaging.publisher import republish
from messaging.replica import compare, pull, repair
from messaging.replica.replica import Replica
from walkthrough.control import faults
from walkthrough.lab import processes


@dataclass(frozen=True)
class Repair:
    """A button: its name, its title, and the command that does the same; `run` returns what was done, as a sentence."""

    name: str
    title: str
    does: str
    run: Callable[[], str]


def _catch_up() -> str:
    done = pull.catch_up(Replica.of("billing", "users"))
    return f"{plural(done.rows, 'change')} pulled, {done.applied} new to billing. Checkpoint {done.checkpoint}, head {done.head}."


def _republish() -> str:
    done = republish.republish("users")
    return f"{plural(done.count, 'event')} recorded for changes that had none."


def _compare() -> str:
    return _in_words(compare.compare(Replica.of("billing", "users")))


def repair_copy(*, authority_wins: bool) -> str:
    """Compare billing's copy with users, and repair the rows that differ; those that are ahead only if the authority wins."""
    with (replica := Replica.of("billing", "users")).connected():
        found = compare.compare(replica)
        if found.verdict != "drift":
            return _in_words(found)
        repaired = repair.repair(replica, found, authority_wins=authority_wins)
    ahead = "including rows that were ahead" if authority_wins else "without rows that are ahead"
    return f"{_in_words(found)} {plural(repaired, 'row')} repaired, {ahead}."


def _repair() -> str:
    return repair_copy(authority_wins=True)


def _retry() -> str:
    """Retry the parked messages of every context: some failed only while something was broken. A person must review the others."""
    outcomes = []
    for context in settings.DELIVERING:
        waiting = Parked.objects.using(context).filter(state__in=[Parked.State.RETRYING, Parked.State.PARKED])
        tried = [retries.attempt(context, pk, by="lab") for pk in list(waiting.order_by("pk").values_list("pk", flat=True))]
        outcomes += [row.state for row in tried if row]  # None: a worker is retrying it
    applied = outcomes.count(Parked.State.APPLIED)
    if not outcomes:
        return "Nothing is parked."
    rest = "" if applied == len(outcomes) else " Review the others in the admin."
    return f"{applied} of {plural(len(outcomes), 'parked message')} applied.{rest}"


def _in_words(found: compare.Comparison) -> str:
    if found.error is not None:
        return f"The comparison failed: {found.error}"
    kinds = ", ".join(f"{number} {kind}" for kind, number in found.counts.items() if number)
    trips = f"{plural(found.round_trips, 'round trip')}, {plural(found.bytes, 'byte')}"
    differ = plural(found.differing, "row differs", "rows differ")
    return f"{differ}: {kinds} ({trips})." if found.differing else f"Fingerprints are equal ({trips})."


def repair_everything() -> str:
    """Turn all faults off, start all processes, repair billing's copy and retry parked messages."""
    faults.mend_all()
    processes.start_all()
    _catch_up()
    return f"All faults are off and all processes run. {_repair()} {_retry()}"


REPAIRS = (
    Repair("catch-up", "Catch up", "catch_up billing --from users", _catch_up),
    Repair("republish", "Republish", "republish users", _republish),
    Repair("compare", "Compare", "reconcile billing --from users", _compare),
    Repair("retry", "Retry parked", "parked retry billing --all, and users", _retry),
    Repair("repair", "Repair", "reconcile billing --from users --repair --authority-wins", _repair),
)


def do(name: str) -> str:
    """Do the repair by that name. Raises `KeyError` for an unknown name."""
    return {one.name: one for one in REPAIRS}[name].run()
