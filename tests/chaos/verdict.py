"""Is all right again? By SQL on both databases, past Django, past `messaging` and past its fingerprints.

Each check is a function that returns what speaks against it, in words; nothing means that it holds.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.chaos.databases import Databases, key, moment
from tests.chaos.writer import payer
from walkthrough import faults as lab

OVERDUE, SUSPENDED, ISSUED = "billing.invoice.overdue.v1", "users.user.suspended.v1", "billing.invoice.issued.v1"

#: Seconds since the copy was last confirmed to be caught up: a few heartbeats.
CONFIRMED = 10.0


class Known(NamedTuple):
    """A user, as far as billing keeps him."""

    version: int
    status: str
    since: datetime


@dataclass(frozen=True)
class Event:
    id: str
    subject: str
    causation: str | None
    correlation: str | None
    at: float


def authority(databases: Databases) -> dict[str, Known]:
    """What users says of each user. Erased is for good: a row that was written to again is a tombstone all the same."""
    rows = {
        key(user): (status, since)
        for user, status, since in databases.rows("users", "SELECT id, status, status_since FROM users_user")
    }
    found = {}
    ledger = databases.rows("users", "SELECT aggregate_id, version, deleted, changed_at FROM messaging_ledger")
    for user, version, deleted, changed_at in ledger:
        status, since = rows.get(user, ("", changed_at))
        if deleted and status != "erased":
            status, since = "erased", changed_at
        found[user] = Known(version, status, moment(since))
    return found


def copy(databases: Databases) -> dict[str, Known]:
    """What billing knows."""
    rows = databases.rows("billing", "SELECT user_id, version, status, status_since FROM billing_cacheduser")
    return {key(user): Known(version, status, moment(since)) for user, version, status, since in rows}


def copy_is_equal(databases: Databases) -> list[str]:
    """Only a tombstone that the authority has purged may be left in a copy."""
    theirs, ours = authority(databases), copy(databases)
    wrong = [f"{user}: users {known}, billing {ours.get(user)}" for user, known in theirs.items() if ours.get(user) != known]
    return wrong + [
        f"{user}: users knows nobody, billing {known}"
        for user, known in ours.items()
        if user not in theirs and known.status != "erased"
    ]


def outboxes_are_empty(databases: Databases) -> list[str]:
    """Everything that was recorded has been sent."""
    waiting = "SELECT id FROM published WHERE status <> 2"
    return [f"{context}: event {row[0]}" for context in ("users", "billing") for row in databases.rows(context, waiting)]


def nothing_is_parked(databases: Databases) -> list[str]:
    """No event is bad in itself here, so none may be left with a person."""
    query = "SELECT state, event_type, reason FROM messaging_parked WHERE state IN ('parked', 'retrying')"
    return [f"{context}: {' '.join(row)}" for context in ("users", "billing") for row in databases.rows(context, query)]


def copy_knows_its_age(databases: Databases) -> list[str]:
    """Billing counts itself as caught up, as of now: not of an hour ago, and not of one that is still to come."""
    head = (databases.rows("users", "SELECT head FROM messaging_sequence") or [(0,)])[0][0]
    query = "SELECT state, checkpoint, ahead, confirmed_at FROM messaging_subscription WHERE authority = 'users'"
    wrong = []
    for state, checkpoint, ahead, confirmed_at in databases.rows("billing", query):
        if (state, checkpoint) != ("live", head) or json.loads(ahead if isinstance(ahead, str) else json.dumps(ahead)):
            wrong.append(f"billing is {state} at {checkpoint}, with {ahead} beyond it; users' head is {head}")
        age = (datetime.now(UTC) - moment(confirmed_at)).total_seconds() if confirmed_at else None
        if age is None or not -1 < age < CONFIRMED:
            wrong.append(f"billing's copy was confirmed at {confirmed_at}, {age} s ago")
    return wrong


def overdue_once(databases: Databases) -> list[str]:
    """Each `InvoiceOverdue` is in users' inbox once."""
    inbox = Counter(row[0].rpartition(":")[2] for row in databases.rows("users", "SELECT msg_id FROM received"))
    return [f"{event.id} came {inbox[event.id]} times" for event in events(databases, "billing", OVERDUE) if inbox[event.id] != 1]


def payers_are_suspended_once(databases: Databases) -> list[str]:
    """Two writes and no more: created, suspended. And the suspension names its cause."""
    causes = {event.id: event for event in events(databases, "users", SUSPENDED)}
    forgotten = {
        event.get("causationid") for event in lab.suppressed()
    }  # a publisher with a bug: the change is there, its event isn't
    by_cause = defaultdict(list)
    for event in causes.values():
        by_cause[event.causation].append(event)
    invoices = {key(row[0]): key(row[1]) for row in databases.rows("billing", "SELECT id, user_id FROM billing_invoice")}
    known, wrong = authority(databases), []
    for overdue in events(databases, "billing", OVERDUE):
        user, effects = invoices.get(overdue.subject, ""), by_cause[overdue.id]
        if len(effects) > 1:
            wrong.append(f"{overdue.id} suspended {len(effects)} times")
        if any(effect.subject != user or effect.correlation != overdue.correlation for effect in effects):
            wrong.append(f"{overdue.id} is named as the cause of another story")
        if payer(user) and (not (effects or overdue.id in forgotten) or known[user][:2] != (2, "suspended")):
            wrong.append(f"{overdue.id}: payer {user} is {known[user]}, after {len(effects)} suspensions")
    return wrong


def invoices_are_issued_once(databases: Databases) -> list[str]:
    """One invoice for a user and a month, one event for an invoice, and no event without one."""
    rows = databases.rows("billing", "SELECT id, user_id, period FROM billing_invoice")
    twice = [f"{pair} has {number} invoices" for pair, number in Counter(row[1:] for row in rows).items() if number > 1]
    told = Counter(event.subject for event in events(databases, "billing", ISSUED))
    made = {key(row[0]) for row in rows}
    twice += [f"invoice {invoice} was announced {told[invoice]} times" for invoice in made if told[invoice] != 1]
    return twice + [f"invoice {invoice} was announced and isn't there" for invoice in told if invoice not in made]


def late_suspensions_are_flagged(databases: Databases) -> list[str]:
    """Who was not active any more when he was invoiced, has an invoice that says so."""
    known, wrong = copy(databases), []
    query = "SELECT id, user_id, issued_at, user_version, review_reason FROM billing_invoice"
    for invoice, user, issued_at, version, reason in databases.rows("billing", query):
        found = known.get(key(user))
        if found and found.status != "active" and moment(issued_at) >= found.since and version < found.version and not reason:
            wrong.append(f"{key(invoice)} was issued at {issued_at} by version {version}, and the user is {found}")
    return wrong


def nothing_went_back(databases: Databases) -> list[str]:
    """No version in the copy ever fell, and nobody who was erased there was anything else again."""
    return [f"{key(user)}: {was} became {became}" for user, was, became in databases.rows("billing", "SELECT * FROM chaos_back")]


def erased_stay_erased(databases: Databases) -> list[str]:
    """Whoever was ever erased is so in the copy, or isn't there."""
    gone = {row[0] for row in databases.rows("users", "SELECT user_id FROM chaos_erased")}
    return [f"{user} is {known}" for user, known in copy(databases).items() if user in gone and known.status != "erased"]


def positions_are_dense(databases: Databases) -> list[str]:
    """Each position up to the head was given out once, and every change has one."""
    wrong = []
    for context in ("users", "billing"):
        given = Counter(row[0] for row in databases.rows(context, "SELECT position FROM chaos_stamps"))
        head = (databases.rows(context, "SELECT head FROM messaging_sequence") or [(0,)])[0][0]
        missing = [number for number in range(1, head + 1) if number not in given]
        wrong += [f"{context}: position {number} was never given out" for number in missing]
        wrong += [f"{context}: position {number} was given out {times} times" for number, times in given.items() if times > 1]
        wrong += [f"{context}: position {number} is beyond the head {head}" for number in given if number > head]
        unstamped = "SELECT aggregate_id FROM messaging_ledger WHERE position IS NULL"
        wrong += [f"{context}: {row[0]} has no position" for row in databases.rows(context, unstamped)]
    return wrong


def repairs_found_nothing_strange(databases: Databases) -> list[str]:
    """Nobody tampered with a copy, so none had other content, a user nobody knows, or one of the future. Being late is allowed."""
    wrong = []
    for kind, counts in databases.rows("billing", "SELECT kind, counts FROM messaging_repair"):
        found: dict[str, Any] = json.loads(counts) if isinstance(counts, str) else counts
        wrong += [f"a {kind} found {found[name]} rows {name}" for name in ("corrupt", "ghost", "ahead") if found.get(name)]
    restored = "SELECT summary FROM messaging_incident WHERE kind = 'restored'"
    return wrong + [row[0] for row in databases.rows("billing", restored)]


def events(databases: Databases, context: str, wire: str) -> list[Event]:
    """All that were ever recorded of a type."""
    rows = databases.rows(context, "SELECT type, id, subject, causation, correlation, at FROM chaos_events")
    return [Event(*rest) for kind, *rest in rows if kind == wire]


def lost(databases: Databases, since: float) -> tuple[int, list[str]]:
    """Overdue events that never arrived: how many of all, and those that were recorded since then, when nothing could be lost."""
    arrived = {row[0].rpartition(":")[2] for row in databases.rows("users", "SELECT msg_id FROM received")}
    missing = [event for event in events(databases, "billing", OVERDUE) if event.id not in arrived]
    return len(missing), [
        f"{event.id}, {event.at - since:.1f} s after the last fault that loses" for event in missing if event.at > since
    ]


Check = Callable[[Databases], list[str]]
#: What comes right by itself, given a little time.
SETTLES: dict[str, Check] = {
    "billing's copy equals users' facts": copy_is_equal,
    "billing knows that it is caught up, and as of when": copy_knows_its_age,
    "both outboxes are empty": outboxes_are_empty,
    "nothing is parked": nothing_is_parked,
    "each overdue invoice reached users once": overdue_once,
}
#: What may never have been otherwise.
HOLDS: dict[str, Check] = {
    "each payer was suspended once, and the event names its cause": payers_are_suspended_once,
    "each invoice was issued and announced once": invoices_are_issued_once,
    "late suspensions flagged their invoices": late_suspensions_are_flagged,
    "no version in the copy went back": nothing_went_back,
    "whoever was erased stayed erased": erased_stay_erased,
    "positions are dense": positions_are_dense,
    "repairs found nothing that only tampering explains": repairs_found_nothing_strange,
}
