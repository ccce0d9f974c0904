"""The lab's repair buttons: what the commands of the same names do."""

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
class Mend:
    """A button: its name, what it says, the command that does the same; `run` returns what was done, in a sentence."""

    name: str
    title: str
    does: str
    run: Callable[[], str]


def _catch_up() -> str:
    done = pull.catch_up(Replica.of("billing", "users"))
    return f"Changes pulled: {done.rows}, new to billing: {done.applied}. Checkpoint {done.checkpoint} of {done.head}."


def _republish() -> str:
    done = republish.republish("users")
    return f"Changes that had no event, and have one now: {done.count}."


def _compare() -> str:
    return _in_words(compare.compare(Replica.of("billing", "users")))


def _repair() -> str:
    with (replica := Replica.of("billing", "users")).connected():
        found = compare.compare(replica)
        if found.verdict != "drift":
            return _in_words(found)
        mended = repair.repair(replica, found, authority_wins=True)
    return f"{_in_words(found)} {plural(mended, 'row')} repaired; rows that were ahead too."


def _retry() -> str:
    """In every context: what failed while something was broken may pass now. What was never an event is for a person."""
    outcomes = []
    for context in settings.DELIVERING:
        waiting = Parked.objects.using(context).filter(state__in=[Parked.State.RETRYING, Parked.State.PARKED])
        tried = [retries.attempt(context, pk, by="lab") for pk in list(waiting.order_by("pk").values_list("pk", flat=True))]
        outcomes += [row.state for row in tried if row]  # None: a worker has it in hand
    applied = outcomes.count(Parked.State.APPLIED)
    if not outcomes:
        return "Nothing is parked."
    rest = "" if applied == len(outcomes) else "; the rest waits for a person, in the admin"
    return f"{applied} of {plural(len(outcomes), 'parked message')} applied{rest}."


def _in_words(found: compare.Comparison) -> str:
    if found.error is not None:
        return f"Nothing can be said: {found.error}"
    kinds = ", ".join(f"{number} {kind}" for kind, number in found.counts.items() if number)
    trips = f"{plural(found.round_trips, 'round trip')}, {plural(found.bytes, 'byte')}"
    differ = plural(found.differing, "row differs", "rows differ")
    return f"{differ}: {kinds} ({trips})." if found.differing else f"Equal, by fingerprints ({trips})."


def mend_everything() -> str:
    """Every fault off, every process running, billing's copy what the authority has, and what was parked tried again."""
    faults.mend_all()
    processes.start_all()
    _catch_up()
    return f"Every fault is off and every process runs. {_repair()} {_retry()}"


MENDS = (
    Mend("catch-up", "Catch up", "catch_up billing --from users", _catch_up),
    Mend("republish", "Republish", "republish users", _republish),
    Mend("compare", "Compare", "reconcile billing --from users", _compare),
    Mend("retry", "Retry parked", "parked retry billing --all, and users", _retry),
    Mend("repair", "Repair", "reconcile billing --from users --repair --authority-wins", _repair),
)


def do(name: str) -> str:
    """Do the repair by that name; `KeyError` where there is none."""
    return {mend.name: mend for mend in MENDS}[name].run()
