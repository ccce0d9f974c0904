"""The common parts of stories: the model, the system, and the checks after each step."""

import random
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.properties import looking, second
from tests.properties.model import COUNTED, GONE, ONCE, Authority, Copy, Refused, emptied, holds
from tests.properties.system import QUEUES, Message, System

NAMES = st.sampled_from(["billing", second.NAME])
WHICH = st.integers(0, 15)
#: A crash happens when its step is reached so often.
TURN = st.sampled_from([1, 1, 1, 2, 3])


class Billed(NamedTuple):
    """An invoice, as an event of billing tells of it."""

    invoice: str
    version: int
    user: str
    status: str


class Story(RuleBasedStateMachine):
    """Shared by the rules. A subclass sets `system`."""

    system: ClassVar[System]

    def __init__(self) -> None:
        super().__init__()
        self.authority = Authority()
        self.copies = {
            "billing": Copy("billing", lambda facts: facts.status),
            second.NAME: Copy(second.NAME, lambda facts: (facts.email, facts.name)),
        }
        self.looking = looking.Looking(self.system)
        self.flying: dict[str, list[Message]] = {name: [] for name in QUEUES}
        self.ever: dict[str, list[Message]] = {name: [] for name in QUEUES}
        self.billed: dict[str, Billed] = {}
        self.received: set[str] = set()
        self.waiting: list[Billed] = []
        self.invoices: dict[str, Billed] = {}
        self.slow = "", GONE
        self.counted: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
        self.chance = random.Random(0)
        self.unlucky = False
        self.backups: dict[str, list[Any]] = {}
        self.histories = 1

    @invariant()
    def check(self) -> None:
        self.looking.read()
        self.looking.effects()
        self.looking.authority(self.authority)
        for name in QUEUES:
            messages = self.system.drain(name)
            if name in self.copies:
                self.looking.messages(self.authority, self.copies[name], messages)
            elif messages:
                invoiced = looking.outbox(self.system, "billing")
                for event in (event for message in messages for event in message.events):
                    holds(ONCE, event["id"] in invoiced, f"{event} was sent, and never committed")
                    data = event["data"]
                    self.billed[event["id"]] = Billed(event["subject"], event["aggregateversion"], data["user_id"], data["status"])
            self.flying[name] += messages
            self.ever[name] += [message for message in messages if message.events]
        self.looking.sending(self.authority, list(self.copies.values()))
        for copy in self.copies.values():
            self.looking.copy(self.authority, copy, self._strayed(copy, self.looking.seen[copy.name]))
        for name, counted, expected in self.counted:  # last: a wrong row says more than a wrong count
            holds(COUNTED, counted == expected, f"{name} counted {counted} as (applied, duplicate, obsolete), not {expected}")
        self.counted.clear()
        self._fresh()

    def _fresh(self) -> None:
        """Check copies that claim to be fresh (`restoring`)."""

    def _settle(self, copy: Copy) -> None:
        """Take the effects of a pull or a repair into the model: each row has the authority's present state or none. The invariants
        must find anything else. Rows changed by hand may be restored or removed."""
        rows, strayed = looking.copied(self.system, copy.name), self._strayed(copy, copy.rows)
        deleted = looking.only_deleted(self.system, copy.name)
        for key in copy.rows.keys() | rows.keys():
            old, new, user = copy.rows.get(key), rows.get(key), self.authority.users.get(key)
            bent = key in copy.tampered or key in strayed
            erased = copy.erased_here(key) and key not in copy.tampered
            if bent and old != new:
                self.looking.seen[copy.name].pop(key, None)
            if new is None:
                if bent or (key in self.authority.purged and old is not None and old[1] == copy.gone):
                    copy.drop(key)
                    if user is None:  # no waiting event may bring it back
                        copy.waiting = {event: given for event, given in copy.waiting.items() if given.subject != key}
            elif user is not None:
                there = user.version, copy.gone if erased else copy.keeps(user.facts)
                if new == there and (bent or old is None or old[0] < new[0]):
                    copy.put(key, *new, deleted=key in deleted if bent else user.only_deleted and not erased)

    def _differing(self, copy: Copy, *, pulled: bool = False) -> dict[str, tuple[Any, Any]]:
        """Return where a copy differs from the authority's rows: (there, here) by id. `pulled`: only what a pull should have
        brought. A copy that began without the past never requested earlier rows, though an old event may have brought some."""
        at = looking.ledger(self.system) if pulled and copy.partial_to else {}
        found: dict[str, tuple[Any, Any]] = {}
        for key in copy.rows.keys() | self.authority.users.keys():
            user, here = self.authority.users.get(key), copy.rows.get(key)
            there = None if user is None else (user.version, copy.keeps(user.facts))
            if there == here or (here is None and copy.partial_to):
                continue
            if key in at and (at[key].position or 0) <= copy.partial_to:
                continue
            if there is None and here is not None and here[1] == copy.gone:
                continue  # a tombstone that the authority has purged; the copy forgets it in time
            found[key] = there, here
        return found

    def _strayed(self, copy: Copy, rows: looking.Rows) -> set[str]:
        """Return the ids of a copy's rows that are of a lost history."""
        return {key for key, row in rows.items() if self.authority.lost and not self._of_this_history(copy, key, *row)}

    def _of_this_history(self, copy: Copy, key: str, version: int, kept: Any) -> bool:
        user = self.authority.users.get(key)
        if user is None:
            return key in self.authority.purged and bool(kept == copy.gone)
        facts = user.told.get(version)
        if facts is None:
            return False
        return kept in (copy.keeps(facts), copy.keeps(emptied(facts))) or (kept == copy.gone and key not in copy.deleted)

    def _erased_here(self, copy: Copy, key: str) -> bool:
        user = self.authority.users.get(key)
        return user is not None and copy.erased_here(key) and copy.keeps(user.facts) != copy.gone

    def _revived(self, copy: Copy) -> set[str]:
        """Return the ids of rows that are erased in a copy and that a backup revived at the authority."""
        return {key for key in copy.rows if self._erased_here(copy, key)}

    def _period(self) -> str:
        """Return a month without invoices."""
        number = self.system.number()
        return f"20{number // 12 % 100:02}-{number % 12 + 1:02}"

    def _bill(self, event: Billed) -> None:
        """Take an event of an invoice into the copy of `users`. If the invoice moves to overdue, it suspends its user."""
        known = self.invoices.get(event.invoice)
        if known and event.version <= known.version:
            return
        self.invoices[event.invoice] = event
        if event.status == "overdue" and (known is None or known.status != "overdue"):
            refuses(lambda: self.authority.suspend(event.user), (Refused,))

    def _user(self, model: Authority, which: int) -> str | None:
        """Choose a user, usually one of two, so that a lot happens to the same one."""
        keys = list(model.users)
        return keys[which % (min(2, len(keys)) if which < 12 else len(keys))] if keys else None

    def _address(self) -> str:
        return f"u{self.system.number()}@example.org"


def refuses(work: Callable[[], object], errors: tuple[type[Exception], ...]) -> bool:
    try:
        work()
    except errors:
        return True
    return False
