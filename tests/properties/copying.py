"""Rules for copies: register, begin, fill, follow, tamper and repair."""

import uuid
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from messaging.celery import app
from messaging.errors import BelowFloor, Denied
from messaging.publisher import grants
from messaging.replica import bootstrap, compare, pull
from messaging.replica import repair as repairs
from messaging.replica.replica import Replica
from messaging.replica.sync import SyncProcess
from tests.properties import looking
from tests.properties.model import EQUAL, KEPT, Broken, Copy, holds
from tests.properties.story import NAMES, TURN, WHICH, Story
from tests.properties.system import HOUR

PULLED = "pull.applied", "pull.before_commit", "pull.committed"
#: Drawn for a crash: usually none.
PULL = st.sampled_from(["", "", "", *PULLED])
BOOTSTRAP = st.sampled_from(["", "", "", "bootstrap.bound", "bootstrap.begun", *PULLED, "bootstrap.read", "bootstrap.live"])
#: The number of answers after which the API stops answering.
AWAY = st.sampled_from([None, None, None, None, 0, 1, 2, 4])


class Copying(Story):
    @rule(name=NAMES)
    def register(self, name: str) -> None:
        if not self.copies[name].registered:
            self.system.register(name)
            self.copies[name].registered = True

    @rule(
        name=NAMES,
        page_size=st.integers(1, 4),
        crash=BOOTSTRAP,
        turn=TURN,
        from_now=st.sampled_from([False, False, False, True]),
        pause=st.booleans(),
        away=AWAY,
    )
    def bootstrap(self, name: str, page_size: int, crash: str, turn: int, from_now: bool, pause: bool, away: int | None) -> None:
        copy = self.copies[name]
        if not copy.registered:
            return
        if copy.partial_to or copy.live or copy.set_back:
            grants.open_bootstrap(authority="users", name=name, ttl=HOUR)
        self.system.bootstrapping = name
        work = partial(bootstrap.bootstrap, Replica.of(name, "users"), app, from_now=from_now, pause=pause, page_size=page_size)
        try:
            through, done = self.system.run(work, crash, turn=turn, away=away)
        except BelowFloor as error:
            raise Broken(EQUAL, f"a bootstrap of {name} is refused: {error}") from error
        self.system.bootstrapping = ""
        after = looking.place(self.system, name)
        if from_now and after.partial and not copy.partial_to:
            copy.partial_to = after.checkpoint
        elif not after.partial:
            copy.partial_to = 0
        copy.live = after.state == "live"
        self._settle(copy)
        strange = copy.tampered or copy.partial_to or self._strayed(copy, copy.rows) or self._revived(copy)
        if through and away is None and done.verdict != "from_now" and not strange:
            holds(EQUAL, done.verdict == "in_sync", f"a bootstrap of {name} ended with {done}: {self._differing(copy)}")
            holds(EQUAL, not self._differing(copy), f"bootstrapped, {name} has {self._differing(copy)}")

    @rule(name=NAMES, page_size=st.integers(1, 3), crash=PULL, turn=TURN, away=AWAY)
    def catch_up(self, name: str, page_size: int, crash: str, turn: int, away: int | None) -> None:
        copy = self.copies[name]
        if not copy.registered:
            return
        try:
            through, done = self.system.run(
                lambda: pull.catch_up(Replica.of(name, "users"), page_size=page_size), crash, turn=turn, away=away
            )
        except BelowFloor:
            holds(KEPT, not copy.live or self.backups, f"{name} is live, and tombstones are gone that it never saw")
            return
        except Denied:
            holds(KEPT, self.backups, f"{name} is refused")  # it was begun once, and the restored authority doesn't know it
            return
        self._settle(copy)
        self._noticed(copy)
        if through and not copy.unsure:
            at = looking.place(self.system, name)
            holds(EQUAL, at.checkpoint == done.checkpoint == done.head, f"{name} pulled up to {at.checkpoint} of {done}")
            if not copy.tampered:
                left = self._differing(copy, pulled=True).keys() - self._strayed(copy, copy.rows) - self._revived(copy)
                holds(EQUAL, not left, f"after a pull {name} has {left}")

    @precondition(lambda self: any(copy.live for copy in self.copies.values()))
    @rule(name=NAMES)
    def tend(self, name: str) -> None:
        """Take one step of the sync process (`tend`)."""
        if self.copies[name].live and self.copies[name].registered:
            sync = SyncProcess(name, compare_every=1e-9)
            sync.look()
            self._settle(self.copies[name])

    @rule(name=NAMES)
    def report(self, name: str) -> None:
        copy = self.copies[name]
        if copy.registered and (copy.live or copy.set_back):
            try:
                pull.report(Replica.of(name, "users"))
            except (BelowFloor, Denied):
                holds(KEPT, self.backups, f"{name} is refused")
            else:
                self._noticed(copy)

    def _noticed(self, copy: Copy) -> None:
        """Take note of a contact (`restoring`)."""

    @rule(name=NAMES, away=AWAY, authority_wins=st.booleans())
    def repair(self, name: str, away: int | None, authority_wins: bool) -> None:
        copy = self.copies[name]
        if copy.registered:
            self._repair(copy, away, authority_wins)

    def _repair(self, copy: Copy, away: int | None, authority_wins: bool) -> None:
        before = self._differing(copy)

        def work() -> compare.Comparison:
            found = compare.compare(Replica.of(copy.name, "users"))
            if found.verdict != "unreachable":
                repairs.repair(Replica.of(copy.name, "users"), found, authority_wins=authority_wins)
            return found

        through, found = self.system.run(work, away=away)
        if through and found.verdict != "unreachable":
            kinds = {row["id"]: row["kind"] for row in found.rows}
            # Events of a lost history may differ in fields that the model doesn't keep.
            lost = {key for key, _, _ in self.authority.lost}
            strange = {key for key in kinds.keys() ^ before.keys() if key not in kinds or key not in lost}
            holds(EQUAL, not strange, f"a comparison of {copy.name} found {kinds} instead of {before}")
            self._settle(copy)
            ahead = {key for key, kind in kinds.items() if kind == "ahead"} if not authority_wins else set()
            copy.tampered &= ahead
            left = set(self._differing(copy)) - ahead - self._revived(copy)
            holds(EQUAL, not left, f"repaired, {copy.name} still differs in {left}")
        else:
            self._settle(copy)

    @precondition(lambda self: any(copy.rows for copy in self.copies.values()))
    @rule(name=NAMES, which=WHICH, how=st.sampled_from(["corrupt", "missing", "ghost", "ahead"]))
    def tamper(self, name: str, which: int, how: str) -> None:
        """Change rows of a copy by hand."""
        copy = self.copies[name]
        keys = [key for key, (_, kept) in sorted(copy.rows.items()) if kept != copy.gone]
        if not keys:
            return
        key = keys[which % len(keys)]
        table, pk = looking.TABLES[name], uuid.UUID(key)
        version, kept = copy.rows[key]
        if how == "missing":
            self.system.execute(name, f"DELETE FROM {table} WHERE user_id = %s", pk)
            copy.drop(key)
        elif how == "ahead":
            self.system.execute(name, f"UPDATE {table} SET version = version + 7 WHERE user_id = %s", pk)
            copy.rows[key] = version + 7, kept
        elif how == "ghost":
            pk = self.system.new_id()
            rest = ", ".join(column for column in looking.columns(self.system, name) if column != "user_id")
            other = f"SELECT %s, {rest} FROM {table} WHERE user_id = %s"
            self.system.execute(name, f"INSERT INTO {table} (user_id, {rest}) {other}", pk, uuid.UUID(key))
            key = str(pk)
            copy.rows[key] = version, kept
        else:
            column, value = ("status", "suspended" if kept == "active" else "active") if name == "billing" else ("name", "Bent")
            self.system.execute(name, f"UPDATE {table} SET {column} = %s WHERE user_id = %s", value, pk)
            copy.rows[key] = version, value if name == "billing" else (kept[0], "Bent")
        copy.tampered.add(key)
