"""The expected state in plain dicts: what was committed at the authority, and what each copy received of it.

It uses nothing of the implementation: no query, and no function of `messaging`. Each write adds a version, each committed service
call adds an event, and a copy keeps the newest state that it received and never loses an erasure. A row that was only deleted may
come again. The machine compares all of it with SQL after every step.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

FORWARD: Final = "a copy's version never goes back"
ERASED: Final = "an erased user stays erased"
COPY: Final = "a copy holds the newest state that it received, and nothing else"
HOLES: Final = "a checkpoint never passes a change that wasn't applied"
DENSE: Final = "positions are dense, and each is given out once"
LEDGER: Final = "version and announced version match what was written and recorded"
COMMITTED: Final = "only committed events are sent"
SENT: Final = "an event marked as sent was sent"
ONCE: Final = "an effect happens once"
COUNTED: Final = "an event that isn't newer is counted, and changes nothing"
KEPT: Final = "nothing is deleted before every consumer has passed it"
BOUND: Final = "the queue exists before the feed is read"
FRESH: Final = "no decision treats a differing copy as fresh"
NOTICED: Final = "a contact reveals a database that was set back"
EQUAL: Final = "in the end every copy equals its authority's rows"


LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Broken(AssertionError):
    """An invariant is broken. `rule`: the invariant."""

    def __init__(self, rule: str, told: str) -> None:
        super().__init__(f"{rule}: {told}")
        self.rule = rule


def holds(rule: str, condition: object, told: str) -> None:
    """Raise `Broken` if the invariant is broken."""
    if not condition:
        raise Broken(rule, told)


class Facts(NamedTuple):
    """The facts of a user that others see."""

    status: str
    email: str
    name: str


def emptied(facts: Facts) -> Facts:
    """Return the facts without personal data."""
    return facts._replace(email="", name="")


GONE: Final = Facts("erased", "", "")


class Told(NamedTuple):
    """An event: its user, version, kind and facts. `deleted`: the row was deleted, not erased."""

    subject: str
    version: int
    kind: str
    facts: Facts
    deleted: bool = False

    def emptied(self) -> "Told":
        return self._replace(facts=emptied(self.facts))


class Given(NamedTuple):
    """The part of an event that a copy received: the facts that it keeps, as they were in the message. `deleted`: the row was
    deleted, not erased. `placed`: it has its change's position, and so a mark."""

    subject: str
    version: int
    kept: Any
    deleted: bool
    placed: bool


@dataclass
class Aggregate:
    """A user at the authority. `row`: None if deleted. `told`: by version, what an event had to say then. `erased_at`: the version
    that erased the user, after which no row with this id is alive; 0 if none did."""

    row: Facts | None = None
    version: int = 0
    announced: int = 0
    deleted: bool = False
    erased_at: int = 0
    told: dict[int, Facts] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        return GONE if self.deleted or self.row is None else self.row

    @property
    def only_deleted(self) -> bool:
        return self.deleted and not self.erased_at


class Refused(Exception):
    """The service refuses this, and so does the model."""


@dataclass
class Authority:
    """What was committed. `recorded`: events in order; their ids come from the outbox. `lost`: events of histories that ended with
    a restore."""

    users: dict[str, Aggregate] = field(default_factory=dict)
    recorded: list[Told] = field(default_factory=list)
    events: dict[str, Told] = field(default_factory=dict)
    places: dict[int, tuple[str, int]] = field(default_factory=dict)
    purged: set[str] = field(default_factory=set)
    purged_events: set[str] = field(default_factory=set)
    lost: set[tuple[str, int, Facts]] = field(default_factory=set)

    def begun(self) -> "Authority":
        """Copy it for a transaction; the copy replaces the original at the commit."""
        return deepcopy(self)

    def write(self, key: str, row: Facts | None) -> None:
        user = self.users.setdefault(key, Aggregate())
        user.version += 1
        user.row = row
        if row is not None and row.status == "erased":
            user.erased_at = user.erased_at or user.version
        user.deleted = row is None or bool(user.erased_at)
        user.told[user.version] = user.facts

    def record(self, key: str, kind: str) -> None:
        """Record an event. An erased user is announced only as erased, whatever the row has now."""
        user = self.users[key]
        user.announced = user.version
        self.recorded.append(Told(key, user.version, "erased" if user.deleted else kind, user.facts, user.only_deleted))

    def forget(self, key: str) -> None:
        """Retention purged the tombstone."""
        del self.users[key]
        self.purged.add(key)

    # What the services do.

    def register(self, key: str, email: str, name: str) -> None:
        self.write(key, Facts("active", email, name))
        self.record(key, "created")

    def suspend(self, key: str) -> None:
        self._to(key, {"active"}, "suspended", "suspended")

    def reactivate(self, key: str) -> None:
        self._to(key, {"suspended"}, "active", "reactivated")

    def change_email(self, key: str, email: str) -> None:
        row = self._row(key)
        if row.status == "erased":
            raise Refused("erased")
        self._say(key, row._replace(email=email), "email_changed")

    def erase(self, key: str) -> None:
        """Empty name and address, also in recorded events. Messages on their way still have them."""
        if self._row(key).status != "erased":
            self.recorded = [told.emptied() if told.subject == key else told for told in self.recorded]
            self.events = {event: told.emptied() if told.subject == key else told for event, told in self.events.items()}
            self._say(key, GONE, "erased")

    def _to(self, key: str, before: set[str], status: str, kind: str) -> None:
        row = self._row(key)
        if row.status not in before:
            raise Refused(row.status)
        self._say(key, row._replace(status=status), kind)

    def _say(self, key: str, row: Facts, kind: str) -> None:
        self.write(key, row)
        self.record(key, kind)

    def _row(self, key: str) -> Facts:
        user = self.users.get(key)
        if user is None or user.row is None:
            raise Refused("unknown")
        return user.row


@dataclass
class Copy:
    """What a consumer received. `keeps`: the facts that it keeps. `rows`: (version, facts) by id. `deleted`: ids of the tombstones
    that a later row may replace, because the row was deleted, not erased. `unplaced`: ids of the rows that an event without a
    position brought. If its history is lost, no contact shows that, only a comparison.

    `partial_to`: it began at that position, without earlier changes. `tampered`: ids whose rows were changed by hand, until a
    repair. `set_back`: restored once from a backup. `unsure`: it may have rows of a history that its authority has lost; `strayed`:
    the ids for which this is known, and when the last of them came. `received`: ids of events that had their effects, or that wait
    for a retry (`waiting`: event by id).
    """

    name: str
    keeps: Callable[[Facts], Any]
    rows: dict[str, tuple[int, Any]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    unplaced: set[str] = field(default_factory=set)
    received: set[str] = field(default_factory=set)
    waiting: dict[str, Given] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    tampered: set[str] = field(default_factory=set)
    handed: set[str] = field(default_factory=set)
    registered: bool = False
    begun: bool = False
    live: bool = False
    partial_to: int = 0
    set_back: bool = False
    unsure: bool = False
    strayed: set[str] = field(default_factory=set)
    strayed_at: datetime = LONG_AGO

    @property
    def gone(self) -> Any:
        return self.keeps(GONE)

    def apply(self, given: Given) -> bool:
        """Keep this if it is newer, and return True if it was. An erasure stays; the tombstone of a deletion doesn't."""
        version, _ = self.rows.get(given.subject, (0, None))
        if given.version <= version:
            return False
        if self.erased_here(given.subject):
            self.put(given.subject, given.version, self.gone, deleted=False)
        else:
            self.put(given.subject, given.version, given.kept, deleted=given.deleted)
        if not given.placed:
            self.unplaced.add(given.subject)
        return True

    def erased_here(self, key: str) -> bool:
        """Return True if the row is the tombstone of an erasure."""
        return self.rows.get(key, (0, None))[1] == self.gone and key not in self.deleted

    def put(self, key: str, version: int, kept: Any, *, deleted: bool) -> None:
        self.rows[key] = version, kept
        self.unplaced.discard(key)
        (self.deleted.add if deleted else self.deleted.discard)(key)

    def drop(self, key: str) -> None:
        del self.rows[key]
        self.deleted.discard(key)
        self.unplaced.discard(key)

    def take(self, events: Mapping[str, Given], order: Sequence[str]) -> tuple[int, int, int]:
        """Take a message with these events, by id; return (applied, duplicate, obsolete). Of a user's events the newest counts."""
        fresh = [event for event in dict.fromkeys(order) if event not in self.received]
        moved = {events[event].subject for event in fresh if self.apply(events[event])}
        self.received.update(fresh)
        return len(moved), len(order) - len(fresh), len(fresh) - len(moved)
