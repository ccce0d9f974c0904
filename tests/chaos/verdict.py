"""Checks the result by SQL on both databases, without Django, `messaging` and its fingerprints.

Each check is a function that returns its objections in words; none means that the claim holds. What a database lost when it was set
back to a backup is lost by definition (`Databases.losses`), and nothing else may be.
"""

import json
import math
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

from messaging.database.outbox_pattern import SENT
from tests.chaos.databases import Databases, Loss, key, moment
from tests.chaos.writer import payer

OVERDUE, SUSPENDED, ISSUED = "billing.invoice.overdue.v1", "users.user.suspended.v1", "billing.invoice.issued.v1"
#: Each consumer and the authority that it copies.
PAIRS = (("billing", "users"), ("users", "billing"))

#: Seconds since the copy was last confirmed to be caught up: a few heartbeats.
CONFIRMED = 10.0
#: Seconds for which a program may pause between the authority's answer and its decision, and for which a heartbeat may travel, so
#: that the effect of a wrong clock shows that much later.
STOPPED, UNDER_WAY = 10.0, 20.0


class Known(NamedTuple):
    """A user as billing knows it."""

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
    """Return each user's state at users. An erasure is for ever: a row that was written to again is still a tombstone."""
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
    """Return billing's copy."""
    rows = databases.rows("billing", "SELECT user_id, version, status, status_since FROM billing_cacheduser")
    return {key(user): Known(version, status, moment(since)) for user, version, status, since in rows}


def copy_is_equal(databases: Databases) -> list[str]:
    """Only tombstones that the authority has purged may be extra in a copy."""
    theirs, ours = authority(databases), copy(databases)
    wrong = [f"{user}: users {known}, billing {ours.get(user)}" for user, known in theirs.items() if ours.get(user) != known]
    return wrong + [
        f"{user}: users knows nobody, billing {known}"
        for user, known in ours.items()
        if user not in theirs and known.status != "erased"
    ]


def outboxes_are_empty(databases: Databases) -> list[str]:
    """Everything recorded has been sent."""
    waiting = f"SELECT id FROM published WHERE status <> {SENT}"
    return [f"{context}: event {row[0]}" for context in ("users", "billing") for row in databases.rows(context, waiting)]


def nothing_is_parked(databases: Databases) -> list[str]:
    """No event here is invalid, so none may be parked."""
    query = "SELECT state, event_type, reason FROM messaging_parked WHERE state IN ('parked', 'retrying')"
    return [f"{context}: {' '.join(row)}" for context in ("users", "billing") for row in databases.rows(context, query)]


def invoices_are_copied(databases: Databases) -> list[str]:
    """The copy of users has billing's invoices: version, user and status."""
    known = databases.rows("billing", "SELECT id, user_id, status FROM billing_invoice")
    versions = dict(databases.rows("billing", "SELECT aggregate_id, version FROM messaging_ledger"))
    theirs = {key(invoice): (versions.get(key(invoice)), key(user), status) for invoice, user, status in known}
    rows = databases.rows("users", "SELECT invoice_id, version, user_id, status FROM users_cachedinvoice")
    ours = {key(invoice): (version, key(user), status) for invoice, version, user, status in rows}
    return [
        f"invoice {invoice}: billing {theirs.get(invoice)}, users {ours.get(invoice)}"
        for invoice in theirs.keys() | ours.keys()
        if theirs.get(invoice) != ours.get(invoice)
    ]


def copies_know_their_age(databases: Databases) -> list[str]:
    """Both consumers count themselves as caught up now: not an hour ago, and not in the future."""
    wrong = in_doubt(databases)
    for consumer, other in PAIRS:
        head = (databases.rows(other, "SELECT head FROM messaging_sequence") or [(0,)])[0][0]
        query = f"SELECT state, checkpoint, ahead, confirmed_at FROM messaging_subscription WHERE authority = '{other}'"
        for state, checkpoint, ahead, confirmed_at in databases.rows(consumer, query):
            if (state, checkpoint) != ("live", head) or json.loads(ahead if isinstance(ahead, str) else json.dumps(ahead)):
                wrong.append(f"{consumer} is {state} at {checkpoint}, with {ahead} beyond it; the head of {other} is {head}")
            age = (datetime.now(UTC) - moment(confirmed_at)).total_seconds() if confirmed_at else None
            if age is None or not -1 < age < CONFIRMED:
                wrong.append(f"the copy of {consumer} was confirmed at {confirmed_at}, {age} s ago")
    return wrong


def in_doubt(databases: Databases) -> list[str]:
    """Return the reasons why a copy is doubtful."""
    query = "SELECT doubt FROM messaging_subscription WHERE doubt <> ''"
    return [row[0] for consumer, _ in PAIRS for row in databases.rows(consumer, query)]


def nothing_is_open(databases: Databases) -> list[str]:
    """No incident of drift, or of a side that was set back, is open."""
    query = "SELECT kind, summary FROM messaging_incident WHERE closed_at IS NULL AND kind IN ('restored', 'drift')"
    return [f"{kind}: {summary}" for consumer, _ in PAIRS for kind, summary in databases.rows(consumer, query)]


def payers_are_suspended_once(databases: Databases) -> list[str]:
    """Two writes and no more: created, suspended. If an event was the cause, the suspension names it."""
    known, wrong = authority(databases), []
    rows = databases.rows("billing", "SELECT user_id FROM billing_invoice WHERE status = 'overdue'")
    due = {key(row[0]) for row in rows if payer(row[0])}
    if _losses(databases, "users"):
        due &= known.keys()  # their rows may be lost too
    wrong += [
        f"payer {user} has an overdue invoice and is {known.get(user)}" for user in due if known[user][:2] != (2, "suspended")
    ]
    if not _losses(databases, "billing"):
        strange = [user for user in known.keys() - due if payer(user) and known[user].version > 1]
        wrong += [f"payer {user} has no overdue invoice and is {known[user]}" for user in strange]
    causes = {event.id: event for event in events(databases, "billing", OVERDUE)}
    invoices = {key(row[0]): key(row[1]) for row in databases.rows("billing", "SELECT id, user_id FROM billing_invoice")}
    effects = events(databases, "users", SUSPENDED)
    twice = Counter(event.causation for event in effects if event.causation)
    wrong += [f"{cause} suspended {number} times" for cause, number in twice.items() if number > 1]
    for effect in effects:
        cause = causes.get(effect.causation or "")
        if cause and (effect.subject != invoices.get(cause.subject) or effect.correlation != cause.correlation):
            wrong.append(f"{cause.id} is named as the cause of another story")
    return wrong


def invoices_are_issued_once(databases: Databases) -> list[str]:
    """One invoice for a user and a month, one event for an invoice, and no event without an invoice."""
    rows = databases.rows("billing", "SELECT id, user_id, period FROM billing_invoice")
    twice = [f"{pair} has {number} invoices" for pair, number in Counter(row[1:] for row in rows).items() if number > 1]
    told = Counter(event.subject for event in events(databases, "billing", ISSUED))
    made = {key(row[0]) for row in rows}
    twice += [f"invoice {invoice} was announced {told[invoice]} times" for invoice in made if told[invoice] != 1]
    return twice + [f"invoice {invoice} was announced and isn't there" for invoice in told if invoice not in made]


def late_suspensions_are_flagged(databases: Databases) -> list[str]:
    """The invoice of a user who wasn't active any more when it was issued says so."""
    known, wrong = copy(databases), []
    query = "SELECT id, user_id, issued_at, user_version, review_reason FROM billing_invoice"
    for invoice, user, issued_at, version, reason in databases.rows("billing", query):
        found = known.get(key(user))
        if found and found.status != "active" and moment(issued_at) >= found.since and version < found.version and not reason:
            wrong.append(f"{key(invoice)} was issued at {issued_at} by version {version}, and the user is {found}")
    return wrong


def nothing_went_back(databases: Databases) -> list[str]:
    """No version in the copy decreased, except from one that the authority lost; and no erased user became anything else."""
    gone, histories = set(), _histories(databases)
    for (_, before), (_, after) in pairwise(histories):
        gone |= before.written - after.written
    lost = {(user, version) for user, version, _, _ in gone}
    wrong = []
    for user, was, became in databases.rows("billing", "SELECT * FROM chaos_back"):
        (version, status), (_, now) = was.split(), became.split()
        if (status == "erased" and now != "erased") or (key(user), int(version)) not in lost:
            wrong.append(f"{key(user)}: {was} became {became}")
    return wrong


def erased_stay_erased(databases: Databases) -> list[str]:
    """Every user that was ever erased is erased in the copy, or isn't in it."""
    gone = {row[0] for row in databases.rows("users", "SELECT user_id FROM chaos_erased")}
    return [f"{user} is {known}" for user, known in copy(databases).items() if user in gone and known.status != "erased"]


def positions_are_dense(databases: Databases) -> list[str]:
    """Each position up to the head was given once, and every change has one."""
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
    """Nobody changed a copy by hand, so until a side was set back no comparison found other content, an unknown user or a newer
    one. Being late is allowed."""
    first = min((loss.began for loss in databases.losses), default=math.inf)
    wrong = []
    repairs = "SELECT kind, counts, finished_at FROM messaging_repair"
    for kind, counts, at in (row for consumer, _ in PAIRS for row in databases.rows(consumer, repairs)):
        found: dict[str, Any] = json.loads(counts) if isinstance(counts, str) else counts
        strange = [name for name in ("corrupt", "ghost", "ahead", "erased_here") if found.get(name)]
        if moment(at).timestamp() < first:
            wrong += [f"a {kind} found {found[name]} rows {name}" for name in strange]
    # The second bootstrap sets the copy's record back to the beginning by hand (`commands.ANEW`), which is noticed too.
    restored = "SELECT summary, opened_at FROM messaging_incident WHERE kind = 'restored' AND summary NOT LIKE 'It is empty, but%'"
    noticed = [row for consumer, _ in PAIRS for row in databases.rows(consumer, restored)]
    return wrong + [summary for summary, at in noticed if moment(at).timestamp() < first]


@dataclass
class History:
    """The authority until it was set back, or now. `written`: (user, version, status, when). `versions`: by user and version, the
    status. `stamped`: by user, (when it was in the feed for everybody, version)."""

    written: set[tuple[str, int, str, float]]
    versions: dict[str, dict[int, str]]
    stamped: dict[str, list[tuple[float, int]]]


class Claim(NamedTuple):
    """A claim of billing's copy at a moment: when it was last caught up, why it was doubtful, and if it knew that it may have rows
    of another history."""

    confirmed_at: float
    doubt: str
    unverified: bool
    at: float


def copy_was_fresh(databases: Databases, wrong_clocks: Sequence[tuple[float, float]]) -> list[str]:
    """Return the untrue claims of billing's copy about itself.

    It must have every change from before it was caught up, and each row must be what the authority had under its version. Users
    that it knows as erased aren't decided on. `wrong_clocks`: the times in which a clock that reports heads was ahead.
    """
    at = time.time()
    rows = databases.rows(
        "billing",
        "SELECT confirmed_at, doubt, marks, user_id, version, status FROM messaging_subscription, billing_cacheduser "
        "WHERE authority = 'users'",
    )
    if not rows:
        return []
    confirmed_at, doubt, marks = rows[0][:3]
    claim, ours = _claim(confirmed_at, doubt, marks, at), {key(row[3]): (row[4], row[5]) for row in rows}
    if claim.doubt or _proves_nothing(databases, claim, claim.confirmed_at, wrong_clocks):
        return []
    history, wrong = _histories(databases)[-1][1], []
    for user in history.versions:
        version, status = ours.get(user, (0, ""))
        if status != "erased":
            wrong += _untrue(history, claim, user, version, status)
    return wrong


def invoices_were_fresh(databases: Databases, wrong_clocks: Sequence[tuple[float, float]]) -> tuple[int, list[str]]:
    """Return the number of checked invoices from a copy that called itself fresh, and those for which it wasn't."""
    histories, number = _histories(databases), 0
    wrong: list[str] = []
    rows = set(databases.rows("billing", "SELECT * FROM chaos_decisions"))
    for loss in _losses(databases, "billing"):
        rows.update(loss.rows["chaos_decisions"])
    for user, version, staleness, doubt, confirmed_at, marks, at in rows:
        claim = _claim(confirmed_at, doubt, marks, at)
        # The copy was doubtful, the policy was to ask, and the authority's answer decided.
        as_of = at - STOPPED if doubt else claim.confirmed_at
        if staleness or _proves_nothing(databases, claim, as_of, wrong_clocks):
            continue
        history = next(history for until, history in histories if at < until)
        wrong, number = wrong + _untrue(history, claim, key(user), version, "active"), number + 1
    return number, wrong


def _claim(confirmed_at: Any, doubt: str, marks: Any, at: float) -> Claim:
    from messaging.consumer.history import unverified  # Django's apps exist only after the run has begun
    from messaging.models import Subscription

    entries = json.loads(marks) if isinstance(marks, str) else marks
    as_of = moment(confirmed_at).timestamp() if confirmed_at else 0.0
    return Claim(as_of, doubt, unverified(Subscription(marks=entries)), at)


def _proves_nothing(databases: Databases, claim: Claim, as_of: float, wrong_clocks: Sequence[tuple[float, float]]) -> bool:
    """Return True if the claim relies on a confirmation from before the authority was set back, or from a wrong clock."""
    before = any(as_of <= loss.over and loss.began <= claim.at for loss in _losses(databases, "users"))
    unsure = any(first - 1 <= as_of <= last + UNDER_WAY for first, last in wrong_clocks)
    return before or unsure or as_of > claim.at + 1


def _untrue(history: History, claim: Claim, user: str, version: int, status: str) -> list[str]:
    versions = history.versions.get(user, {})
    newest = max((number for at, number in history.stamped.get(user, []) if at <= claim.confirmed_at), default=0)
    if newest > version and not claim.doubt and (version or versions[newest] != "erased"):
        return [f"{claim} {user} {version} {status}: version {newest} was in the feed before"]
    if version and not claim.unverified and versions.get(version) != status:
        return [f"{claim} {user} {version} {status}: the authority had {versions}"]
    return []


def _histories(databases: Databases) -> list[tuple[float, History]]:
    """Return the authority's histories in order, each with its end."""
    tables = ("chaos_versions", "chaos_stamps", "chaos_rounds")
    found = [(loss.began, _history(*(loss.rows[table] for table in tables))) for loss in _losses(databases, "users")]
    return [*found, (math.inf, _history(*(databases.rows("users", f"SELECT * FROM {table}") for table in tables)))]


def _history(versions: Sequence[tuple[Any, ...]], stamps: Sequence[tuple[Any, ...]], rounds: Sequence[tuple[Any, ...]]) -> History:
    history = History({(*row,) for row in versions}, defaultdict(dict), defaultdict(list))
    for user, version, status, _ in versions:
        history.versions[user][version] = status
    # A round's changes are in the feed after its commit, at the latest when the next round begins.
    ordered = sorted(rounds)
    heads = [head for head, _ in ordered]
    begun = [*(at for _, at in ordered[1:]), math.inf, math.inf]
    for position, user, version, _ in stamps:
        history.stamped[user].append((begun[bisect_left(heads, position)], version))
    return history


def _losses(databases: Databases, context: str) -> list[Loss]:
    return [loss for loss in databases.losses if loss.context == context]


def events(databases: Databases, context: str, wire: str) -> list[Event]:
    """Return all recorded events of a type."""
    return _of(databases.rows(context, "SELECT * FROM chaos_events"), wire)


def _of(rows: Sequence[tuple[Any, ...]], wire: str) -> list[Event]:
    return [Event(event, *rest) for event, kind, *rest in rows if kind == wire]


def late(databases: Databases, since: float) -> list[str]:
    """Return the overdue events that were recorded when none could be lost, and never arrived."""
    arrived = {row[0].rpartition(":")[2] for row in databases.rows("users", "SELECT msg_id FROM received")}
    missing = [event for event in events(databases, "billing", OVERDUE) if event.id not in arrived]
    return [f"{event.id}, {event.at - since:.1f} s after the last fault that loses" for event in missing if event.at > since]


Check = Callable[[Databases], list[str]]
#: Claims that become true by themselves, after a short time.
SETTLES: dict[str, Check] = {
    "billing's copy equals users' facts": copy_is_equal,
    "the copy of users equals billing's invoices": invoices_are_copied,
    "each copy knows that it is caught up, and as of when": copies_know_their_age,
    "both outboxes are empty": outboxes_are_empty,
    "nothing is parked": nothing_is_parked,
    "no incident of a restore or of drift is open": nothing_is_open,
}
#: Claims that must always have been true.
HOLDS: dict[str, Check] = {
    "each payer was suspended once, and by an overdue invoice": payers_are_suspended_once,
    "each invoice was issued and announced once": invoices_are_issued_once,
    "late suspensions flagged their invoices": late_suspensions_are_flagged,
    "no version in the copy went back": nothing_went_back,
    "whoever was erased stayed erased": erased_stay_erased,
    "positions are dense": positions_are_dense,
    "repairs found nothing that only tampering explains": repairs_found_nothing_strange,
}
