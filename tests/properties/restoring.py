"""Rules for going back in time: one side or both are restored from a backup; and decisions that state how old their copy may be."""

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from billing import services as billing
from messaging.replica import compare, staleness
from messaging.replica.replica import Replica
from messaging.replica.staleness import Policy
from tests.messaging.backups import Backup
from tests.properties import looking, second
from tests.properties.model import ERASED, FRESH, NOTICED, Authority, Copy, holds
from tests.properties.story import NAMES, WHICH, Billed, Story
from users.feed import FEED


@dataclass(frozen=True)
class Kept:
    """A side at an earlier time: its database, and the story's knowledge of it."""

    backup: Backup
    known: Any


class Restoring(Story):
    @precondition(lambda self: self.unlucky)
    @rule(names=st.sampled_from([("users",), ("billing",), ("users", "billing", second.NAME)]))
    def back_up(self, names: tuple[str, ...]) -> None:
        for name in names:
            known = self._of_authority() if name == "users" else (self.copies[name], self.looking.seen[name], self.histories)
            backup = Backup(name, [second.Contact] if name == second.NAME else [])
            self.backups.setdefault(name, []).append(Kept(backup, deepcopy(known)))

    @precondition(lambda self: self.backups)
    @rule(
        names=st.sampled_from([("users",), ("users",), ("billing",), (second.NAME,), ("users", "billing"), ("users", second.NAME)]),
        which=WHICH,
    )
    def set_back(self, names: tuple[str, ...], which: int) -> None:
        """Restore each of these from its own backup."""
        for name in names:
            kept = self.backups.get(name)
            if kept:
                self._set_back(name, kept[which % len(kept)])

    def _set_back(self, name: str, kept: Kept) -> None:
        if name == "users":
            self.system.end_beside(committed=False)
        kept.backup.restore()
        known = deepcopy(kept.known)
        if name == "users":
            self._authority_set_back(*known)
        else:
            self._copy_set_back(*known)

    def _of_authority(self) -> tuple[Any, ...]:
        registered = {name for name, copy in self.copies.items() if copy.registered}
        return self.authority, self.received, self.waiting, self.invoices, registered, self.system.tokens

    def _authority_set_back(
        self,
        authority: Authority,
        received: set[str],
        waiting: list[Billed],
        invoices: dict[str, Billed],
        registered: set[str],
        tokens: dict[str, str],
    ) -> None:
        authority.lost = self.authority.lost | {
            (key, version, facts) for key, user in self.authority.users.items() for version, facts in user.told.items()
        }
        self.authority, self.received, self.waiting, self.invoices = authority, received, waiting, invoices
        self.system.tokens.clear()
        self.system.tokens.update(tokens)
        self.histories += 1
        for name, copy in self.copies.items():
            copy.registered, copy.unsure = name in registered, True

    def _copy_set_back(self, copy: Copy, seen: looking.Rows, histories: int) -> None:
        now = self.copies[copy.name]
        copy.registered, copy.handed, copy.set_back = now.registered, now.handed, True
        copy.unsure = copy.unsure or histories != self.histories
        self.copies[copy.name], self.looking.seen[copy.name] = copy, seen
        self.looking.doubted[copy.name] = False

    @precondition(lambda self: self.copies["billing"].rows)
    @rule(policy=st.sampled_from([Policy.HOLD, Policy.ASK, None]))
    def decide(self, policy: Policy | None) -> None:
        """Issue a month's invoices from a copy that must be as recent as the authority's last change, or from one of any age."""
        copy, period = self.copies["billing"], self._period()
        in_doubt = bool(looking.place(self.system, "billing").doubt)
        bound = timezone.now() - self._changed_at(copy) if policy else None
        if copy.registered:
            with self.system.answering_apart():
                billing.invoices_generate(period=period, policy=policy, max_staleness=bound)
            self._settle(copy)
        rows = self.system.rows("billing", f"SELECT user_id FROM billing_invoice WHERE period = '{period}'")
        invoiced = {looking.same_id(key) for (key,) in rows}
        holds(ERASED, not invoiced & copy.erased, f"erased, and invoiced: {invoiced & copy.erased}")
        if policy or in_doubt:
            active = {key for key, user in self.authority.users.items() if user.facts.status == "active"}
            wrong = invoiced - active - copy.tampered - (self._strayed(copy, copy.rows) & copy.unplaced)
            holds(FRESH, not wrong, f"{policy} invoiced {wrong}, who aren't active")

    @precondition(lambda self: self.unlucky)
    @rule(name=NAMES)
    def erase_again(self, name: str) -> None:
        """Erase, by the function that the feed names, the users that a consumer knows as erased and a backup revived."""
        copy = self.copies[name]
        if copy.registered:
            found = compare.compare(Replica.of(name, "users"))
            self._settle(copy)
            for row in found.rows:
                if row["kind"] == "erased_here":
                    holds(ERASED, copy.rows[row["id"]][1] == copy.gone, f"{name} calls {row['id']} erased")
                    assert FEED.erase is not None
                    FEED.erase(row["id"])
                    self.authority.erase(row["id"])

    def _noticed(self, copy: Copy) -> None:
        """Take note of a contact: rows of a lost history make the copy doubtful."""
        at = looking.place(self.system, copy.name)
        strayed = self._strayed(copy, copy.rows) - copy.tampered - copy.unplaced
        holds(NOTICED, at.doubt or not strayed, f"{copy.name} isn't in doubt, and has {strayed} as {at.checkpoint}")

    def _changed_at(self, copy: Copy) -> datetime:
        """Rows confirmed since then must be equal. The next contact shows what came late of a lost history."""
        return max(self.looking.changed_at, copy.strayed_at)

    def _fresh(self) -> None:
        """Check a copy that claims to be confirmed since its authority's last change: it must equal the authority's rows."""
        for name, copy in self.copies.items():
            at, strayed = self.looking.places[name], self._strayed(copy, copy.rows)
            if strayed - copy.strayed:
                copy.strayed_at = timezone.now()
            copy.strayed = strayed
            if at.confirmed_at is None or at.confirmed_at < self._changed_at(copy):
                continue
            if staleness.doubt(name, "users", timezone.now() - self._changed_at(copy)):
                continue
            different = {
                key: found
                for key, found in self._differing(copy, pulled=True).items()
                if key not in copy.tampered | (strayed & copy.unplaced) and not self._erased_here(copy, key)
            }
            holds(FRESH, not different, f"{name} is confirmed, and has {different}")
            copy.unsure = False
