"""The repairs that a reader may choose. Each does what a command or a button of the lab does."""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.core.management import CommandError, call_command

from messaging.celery import app
from messaging.consumer import parked
from messaging.errors import MessagingError
from messaging.events.text import kind, plural, said
from messaging.publisher import republish
from messaging.replica import bootstrap
from messaging.replica.replica import Replica
from messaging.settings import Alias
from users.models import User
from walkthrough.control import concealed, faults, processes, reset
from walkthrough.lab import processes as switches
from walkthrough.lab import repairs as lab
from walkthrough.mystery import times
from walkthrough.observe import facts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Repair:
    """A repair: what the reader chooses, and the commands or buttons that do the same.

    `run` gets the time at which the mystery began, and returns what was done, as a sentence.
    """

    name: str
    title: str
    does: str
    run: Callable[[datetime], str]


def carry_out(repair: Repair, since: datetime) -> str:
    """Carry it out. One that fails says why; that is an answer, too."""
    try:
        return repair.run(since)
    except (MessagingError, CommandError, processes.WouldNot) as error:
        return f"It failed: {said(error)}"
    except Exception as error:
        log.exception("a mystery's repair, %s", repair.name)
        return f"It failed: {kind(error)}: {error}"


def _starting(program: str) -> Callable[[datetime], str]:
    return lambda since: switches.act(program, "start")


def _by_the_lab(name: str) -> Callable[[datetime], str]:
    return lambda since: lab.do(name)


def _connection(since: datetime) -> str:
    """Late copies still wait in the relays' processes. A restart loses them, and the sync process fills the gaps."""
    told = _off({"drop", "duplicate", "reorder"}, "What the relay sends reaches the broker unchanged.")
    processes.restart("relay-users", "relay-billing")
    return f"{told} Both relays were restarted."


def _roll_back_and_republish(since: datetime) -> str:
    told = _off({"publisher_bug", concealed.RENAMED}, "Users runs its last release.")
    return f"{told} {lab.do('republish')}"


def _roll_back_and_discard(since: datetime) -> str:
    told = _off({"publisher_bug", concealed.RENAMED}, "Users runs its last release.")
    rows = list(facts.parked().values_list("pk", flat=True))
    for pk in rows:
        parked.discard(Alias("billing"), pk, by="mystery", note="unreadable; the feed brought the facts")
    return f"{told} {plural(len(rows), 'parked message')} discarded."


def _clock(since: datetime) -> str:
    told = _off({concealed.SLOW_CLOCK}, "The clock of users is right.")
    wrong = times.wrong(since)
    for user_id, moment in wrong.items():
        User.objects.using("users").filter(pk=user_id).update(status_since=moment)
    done = republish.republish("users")
    return f"{told} {plural(len(wrong), 'time')} corrected, {plural(done.count, 'event')} recorded for that."


def _new_token(since: datetime) -> str:
    call_command("consumers", "register", "billing", "--to", "users", "--new-token", stdout=io.StringIO())
    processes.restart("tend-billing")
    return "Billing has a new token, valid for a year. tend-billing was restarted, so that it takes it at once."


def _replay(since: datetime) -> str:
    output = io.StringIO()
    call_command("replay", "users", "--to", "billing", "--since", since.isoformat(), stdout=output)
    return f"{' '.join(output.getvalue().split())[-300:]}"


def _bootstrap(since: datetime) -> str:
    with (replica := Replica.of("billing", "users")).connected() as users:
        users.registration()  # before the copy is emptied: users may refuse, or not answer
        reset.new_copy()
        done = bootstrap.bootstrap(replica, app)
    return f"The copy was emptied and filled again: {plural(done.rows, 'row')}."


def _off(names: set[str], told: str) -> str:
    """Turn faults off, the lab's switches and the concealed ones. The others stay on."""
    for name in names & faults.NAMES:
        faults.switch(name, False)
    if concealed.names() and concealed.names() <= names:
        concealed.reveal()
    return told


REPAIRS = (
    Repair("start-relay", "Start the relay of users", "the lab: Start relay-users", _starting("relay-users")),
    Repair("start-worker", "Start the worker of billing", "the lab: Start worker-billing", _starting("worker-billing")),
    Repair("start-tend", "Start the sync process of billing", "the lab: Start tend-billing", _starting("tend-billing")),
    Repair(
        "fix-connection",
        "Repair the connection between relay and broker",
        "the lab: Drop, Duplicate and Reorder deliveries off, then stop and start both relays",
        _connection,
    ),
    Repair(
        "roll-back-and-republish",
        "Roll users back to its last release, and record the missing events",
        "a deployment, then: manage.py republish users",
        _roll_back_and_republish,
    ),
    Repair(
        "roll-back-and-discard",
        "Roll users back to its last release, and discard the parked messages",
        "a deployment, then: manage.py parked discard billing --all",
        _roll_back_and_discard,
    ),
    Repair("retry", "Retry the parked messages", "manage.py parked retry billing --all", _by_the_lab("retry")),
    Repair("catch-up", "Pull what billing misses", "manage.py catch_up billing --from users", _by_the_lab("catch-up")),
    Repair("compare", "Nothing but a comparison, as a proof", "manage.py reconcile billing --from users", _by_the_lab("compare")),
    Repair(
        "repair-copy",
        "Repair the rows that differ, but keep those that are ahead",
        "manage.py reconcile billing --from users --repair",
        lambda since: lab.repair_copy(authority_wins=False),
    ),
    Repair(
        "authority-wins",
        "Repair the rows that differ, also those that are ahead",
        "manage.py reconcile billing --from users --repair --authority-wins",
        _by_the_lab("repair"),
    ),
    Repair("republish", "Record events for changes that had none", "manage.py republish users", _by_the_lab("republish")),
    Repair("replay", "Send the recorded events again", "manage.py replay users --to billing", _replay),
    Repair(
        "bootstrap",
        "Empty billing's copy and fill it again",
        "manage.py consumers open billing, then: manage.py bootstrap billing --from users",
        _bootstrap,
    ),
    Repair(
        "new-token",
        "Issue billing a new token",
        "manage.py consumers register billing --to users --new-token, then restart tend-billing",
        _new_token,
    ),
    Repair(
        "set-clock",
        "Set the clock of users, correct the times that it wrote, and announce that",
        "ntpd, an UPDATE, then: manage.py republish users",
        _clock,
    ),
)


def repair(name: str) -> Repair:
    """Return the repair with this name. Raises `KeyError` if there is none."""
    return {one.name: one for one in REPAIRS}[name]
