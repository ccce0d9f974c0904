"""Compares SQL with the model after a step: every invariant that one moment can show."""

import json
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connections
from django.utils import timezone

from messaging.database.outbox_pattern import SENT as SENT_STATUS
from tests.properties import second
from tests.properties.model import (
    COMMITTED,
    COPY,
    DENSE,
    ERASED,
    FORWARD,
    HOLES,
    KEPT,
    LEDGER,
    ONCE,
    SENT,
    Authority,
    Copy,
    Facts,
    Given,
    Told,
    emptied,
    holds,
)
from tests.properties.system import Message, System

TABLES = {"billing": "billing_cacheduser", second.NAME: second.Contact._meta.db_table}
COPIES = {
    "billing": "SELECT user_id, version, status FROM billing_cacheduser",
    second.NAME: f"SELECT user_id, version, email, name FROM {TABLES[second.NAME]}",
}
Rows = dict[str, tuple[int, Any]]


@dataclass(frozen=True)
class Entry:
    """A row of the ledger."""

    version: int
    announced: int
    deleted: bool
    position: int | None


@dataclass(frozen=True)
class Place:
    """A consumer's own record of the authority."""

    state: str
    checkpoint: int
    ahead: list[list[int]]
    partial: bool
    doubt: str = ""
    confirmed_at: datetime | None = None

    def covers(self, position: int) -> bool:
        return position <= self.checkpoint or any(first <= position <= last for first, last in self.ahead)


NOWHERE = Place("new", 0, [], False)


def ledger(system: System) -> dict[str, Entry]:
    sql = "SELECT aggregate_id, version, announced_version, deleted, position FROM messaging_ledger WHERE aggregate = 'users.user'"
    return {key: Entry(version, announced, bool(gone), at) for key, version, announced, gone, at in system.rows("users", sql)}


def outbox(system: System, alias: str = "users") -> dict[str, tuple[int, dict[str, Any]]]:
    """Return (status, event) by id, in the order in which the events were recorded."""
    rows = system.rows(alias, "SELECT id, status, body FROM published ORDER BY added, id")
    return {same_id(key): (status, json.loads(body) if isinstance(body, str) else body) for key, status, body in rows}


def copied(system: System, name: str) -> Rows:
    found = system.rows(name, COPIES[name])
    return {same_id(key): (version, rest[0] if len(rest) == 1 else tuple(rest)) for key, version, *rest in found}


def only_deleted(system: System, name: str) -> set[str]:
    """Return the ids of a copy's rows that it knows as deleted, not erased."""
    return {same_id(key) for (key,) in system.rows(name, f"SELECT user_id FROM {TABLES[name]} WHERE deleted")}


def place(system: System, name: str) -> Place:
    sql = "SELECT state, checkpoint, ahead, partial, doubt, confirmed_at FROM messaging_subscription WHERE authority = 'users'"
    for state, checkpoint, ahead, partial, doubt, confirmed in system.rows(name, sql):
        ranges = json.loads(ahead) if isinstance(ahead, str) else ahead
        at = confirmed.replace(tzinfo=UTC) if confirmed else None  # SQLite returns it without a time zone
        return Place(state, checkpoint, ranges, bool(partial), doubt, at)
    return NOWHERE


def same_id(value: Any) -> str:
    """Return an id in one spelling; SQLite stores it without dashes."""
    return str(value if isinstance(value, uuid.UUID) else uuid.UUID(str(value)))


def columns(system: System, name: str) -> list[str]:
    """Return a copy's columns."""
    with connections[name].cursor() as cursor:
        return [column.name for column in connections[name].introspection.get_table_description(cursor, TABLES[name])]


def id_as_text(column: str) -> str:
    """Return SQL that spells a user's id as in the ledger."""
    if connections["users"].vendor == "postgresql":
        return f"{column}::text"
    return " || '-' || ".join(
        f"substr({column}, {start}, {length})" for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    )


def told(event: dict[str, Any]) -> Told:
    """Return an event of the outbox as the model knows it."""
    data = event["data"]
    facts = Facts(data["status"], data["email"], data["name"])
    kind, deleted = event["type"].split(".")[2], event.get("deleted", False)
    return Told(event["subject"], event["aggregateversion"], kind, facts, deleted)


def given(event: dict[str, Any]) -> Given:
    """Return an event of a message as its copy receives it."""
    data = event["data"]
    kept = data["status"] if "status" in data else (data["email"], data["name"])
    return Given(event["subject"], event["aggregateversion"], kept, event.get("deleted", False), "position" in event)


class Looking:
    """Compares, and remembers what it saw last. `changed_at`: when the authority's rows were first seen to have changed."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.sent: set[str] = set()
        self.seen: dict[str, Rows] = {name: {} for name in COPIES}
        self.places = dict.fromkeys(COPIES, NOWHERE)
        self.doubted = dict.fromkeys(COPIES, False)
        self.versions: dict[str, tuple[int, Any]] = {}
        self.changed_at = timezone.now()
        self.read()

    def read(self) -> None:
        """Read the authority's present state."""
        self.outbox, self.ledger = outbox(self.system), ledger(self.system)
        self.head = sum(number for (number,) in self.system.rows("users", "SELECT head FROM messaging_sequence"))
        rows = self.system.rows("users", "SELECT id, status, email, name FROM users_user")
        self.rows = {same_id(key): Facts(*rest) for key, *rest in rows}
        versions = {key: (entry.version, self.rows.get(key)) for key, entry in self.ledger.items()}
        if versions != self.versions:
            self.versions, self.changed_at = versions, timezone.now()

    def effects(self) -> None:
        """Check that every event had its effects once."""
        caused = Counter(event.get("causationid") for _, event in self.outbox.values() if event.get("causationid"))
        twice = [event for event, times in caused.items() if times > 1]
        holds(ONCE, not twice, f"{twice} suspended a user more than once")
        reasons = self.system.rows("billing", "SELECT id, review_reason FROM billing_invoice")
        flagged = Counter(
            event["subject"]
            for _, event in outbox(self.system, "billing").values()
            if event["type"] == "billing.invoice.flagged.v1"
        )
        wrong = {same_id(key): flagged[same_id(key)] for key, reason in reasons if flagged[same_id(key)] != bool(reason)}
        holds(ONCE, not wrong, f"invoices were flagged, and told of, so often: {wrong}")

    def authority(self, model: Authority) -> None:
        """Check rows, versions, announced versions, positions and the outbox."""
        self._positions(model)
        expected = {key: user.row for key, user in model.users.items() if user.row is not None}
        holds(LEDGER, self.rows == expected, f"the rows are {self.rows}, and should be {expected}")
        self._outbox(model)
        lines = {key: (entry.version, entry.announced, entry.deleted) for key, entry in self.ledger.items()}
        wanted = {key: (user.version, user.announced, user.deleted) for key, user in model.users.items()}
        holds(LEDGER, lines == wanted, f"the ledger says {lines}, and should say {wanted}")

    def _positions(self, model: Authority) -> None:
        at = {entry.position: (key, entry.version) for key, entry in self.ledger.items() if entry.position is not None}
        new = sorted(position for position in at if position not in model.places)
        first = len(model.places) + 1
        holds(DENSE, new == list(range(first, first + len(new))), f"{new} were given out behind {first - 1}")
        moved = {position: at[position] for position in at if model.places.get(position, at[position]) != at[position]}
        holds(DENSE, not moved, f"{moved} were given out before, to {[model.places[position] for position in moved]}")
        model.places.update({position: at[position] for position in new})
        holds(DENSE, self.head == len(model.places), f"the head is {self.head}, and {len(model.places)} positions were given out")

    def _outbox(self, model: Authority) -> None:
        found = self.outbox
        lost = model.events.keys() - model.purged_events - found.keys()
        holds(KEPT, not lost, f"events left the outbox: {[model.events[key] for key in lost]}")
        new = {key: told(event) for key, (_, event) in found.items() if key not in model.events}
        expected, there = Counter(model.recorded), Counter(new.values())
        missing, more = list((expected - there).elements()), list((there - expected).elements())
        holds(LEDGER, not missing, f"no event was recorded for {missing}, but for {more}")
        holds(COMMITTED, not more, f"nothing was committed that these tell: {more}")
        kept = [(model.events[key], told(event)) for key, (_, event) in found.items() if key in model.events]
        other = [(expected, there) for expected, there in kept if expected != there]
        holds(COMMITTED, not other, f"events (as they should be, as they are): {other}")
        model.recorded.clear()
        model.events.update(new)

    def messages(self, model: Authority, copy: Copy, messages: list[Message]) -> None:
        """Check the messages that were sent to a copy."""
        for event in (event for message in messages for event in message.events):
            known = model.events.get(event["id"])
            holds(COMMITTED, known is not None, f"{event['type']} of {event['subject']} was sent")
            assert known is not None
            line = event["subject"], event["aggregateversion"], event["type"].split(".")[2]
            holds(COMMITTED, line == known[:3], f"{line} was sent for {known}")
            received = given(event)
            expected = copy.keeps(known.facts), known.deleted
            holds(COMMITTED, (received.kept, received.deleted) == expected, f"{received} was sent for {known}")
            if "position" in event:
                here = model.places.get(event["position"])
                holds(HOLES, here == line[:2], f"{line} was sent as what lies at {event['position']}, and that is {here}")
            copy.handed.add(event["id"])

    def sending(self, model: Authority, copies: list[Copy]) -> None:
        """Check that the broker got every event that counts as sent, for all registered consumers. Call it after each send."""
        done = {key for key, (status, _) in self.outbox.items() if status == SENT_STATUS} - self.sent
        for copy in copies:
            lost = [model.events[key] for key in done - copy.handed] if copy.registered else []
            holds(SENT, not lost, f"{lost} never went to {copy.name}")
        self.sent |= done

    def copy(self, model: Authority, copy: Copy, strayed: set[str]) -> None:
        """Check a copy's rows and its checkpoint. `strayed`: ids of which it has rows of a lost history."""
        rows, before = copied(self.system, copy.name), self.seen[copy.name]
        for key in rows.keys() & copy.erased:
            holds(ERASED, rows[key][1] == copy.gone, f"{copy.name} has {key} as {rows[key]}")
        for key, (version, kept) in before.items():
            if key in copy.tampered or key in strayed:
                continue
            if key not in rows:
                holds(FORWARD, key in model.purged and kept == copy.gone, f"{copy.name} lost {key}, which it had at {version}")
                continue
            holds(FORWARD, rows[key][0] >= version, f"{copy.name} has {key} at {rows[key][0]}, and had it at {version}")
        at = self.places[copy.name] = place(self.system, copy.name)
        copy.unsure &= bool(at.doubt) or not self.doubted[copy.name]  # a comparison found both sides equal
        self.doubted[copy.name] = bool(at.doubt)
        if not copy.unsure:
            self._checkpoint(copy, at, rows)
        holds(COPY, rows == copy.rows, f"{copy.name} has {_differing(rows, copy.rows)}")
        deleted = only_deleted(self.system, copy.name)
        holds(COPY, deleted == copy.deleted, f"{copy.name} knows {deleted} as deleted, not erased, instead of {copy.deleted}")
        self.seen[copy.name] = rows
        copy.erased |= {key for key, (version, _) in rows.items() if _erased(model, key, version)} - copy.tampered
        strange = [
            (key, row)
            for key, row in rows.items()
            if key not in copy.tampered and key in model.users and not _was_told(copy, model, key, row)
        ]
        holds(COPY, not strange, f"{copy.name} has what was never committed: {strange}")

    def _checkpoint(self, copy: Copy, at: Place, rows: Rows) -> None:
        top = max([at.checkpoint, *(last for _, last in at.ahead)])
        holds(HOLES, top <= self.head, f"{copy.name} has everything up to {top}, and the head is {self.head}")
        for key, entry in self.ledger.items():
            if entry.position is None or entry.position <= copy.partial_to or key in copy.tampered or not at.covers(entry.position):
                continue
            if copy.erased_here(key) and not entry.deleted:
                continue
            version, _ = rows.get(key, (0, None))
            passed = f"{copy.name} at {at.checkpoint}, {at.ahead} passed {entry.position}, where {key} is at {entry.version}"
            holds(HOLES, version >= entry.version, f"{passed}; it has {version}")


def _erased(model: Authority, key: str, version: int) -> bool:
    """Return True if the version's holder knows of an erasure. A row that was only deleted may come again."""
    return key in model.users and 0 < model.users[key].erased_at <= version


def _was_told(copy: Copy, model: Authority, key: str, row: tuple[int, Any]) -> bool:
    version, kept = row
    told = model.users[key].told
    found = {told[version]} if version in told else set()
    found |= {facts for lost, at, facts in model.lost if (lost, at) == (key, version)}
    if kept == copy.gone and any(lost == key and copy.keeps(facts) == kept for lost, _, facts in model.lost):
        return True  # erased here, and revived there
    return any(kept in (copy.keeps(facts), copy.keeps(emptied(facts))) for facts in found)


def _differing(rows: Rows, expected: Rows) -> str:
    keys = sorted(key for key in rows.keys() | expected.keys() if rows.get(key) != expected.get(key))
    return ", ".join(f"{key} as {rows.get(key)} instead of {expected.get(key)}" for key in keys)
