"""Any interleaving of events in the system, as rules; after each rule the invariants of `looking` are checked.

Writers, relays, workers and repairs take turns here, one step at a time, and each may die at a named step. Messages arrive in any
order, several times, late or never. In the end the faults stop, and every copy must equal its authority's rows, by the model and by
SQL.
"""

import random
import sys

from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from messaging.ledger import ledger
from messaging.publisher import pages
from messaging.replica import staleness
from messaging.settings import Alias
from tests.properties import looking
from tests.properties.copying import Copying
from tests.properties.keeping import Keeping
from tests.properties.model import EQUAL, FRESH, GONE, Copy, Facts, holds
from tests.properties.restoring import Restoring
from tests.properties.road import Road
from users.models import User


class Life(Restoring, Road, Copying, Keeping):
    """One story."""

    @initialize(before=st.integers(0, 3), known=st.booleans(), begun=st.booleans(), seed=st.integers(0, 999), unlucky=st.booleans())
    def begin(self, before: int, known: bool, begun: bool, seed: int, unlucky: bool = False) -> None:
        """Make users that are older than any event, and billing: registered or not, begun or not."""
        self.system.reset()
        self.chance, self.unlucky = random.Random(seed), unlucky
        self.system.register("users", "billing")
        with transaction.atomic(using="users"):
            users = [User(email=self._address(), name="Old") for _ in range(before)]
            User.objects.using("users").bulk_create(users)
            ledger.baseline("users", "users.user", [str(user.pk) for user in users])
        for user in users:
            self.authority.write(str(user.pk), Facts("active", user.email, "Old"))
            self.authority.users[str(user.pk)].announced = 1
        if known or begun:
            self.register("billing")
        if begun:
            self.bootstrap("billing", 2, "", 1, False, False, None)
        if unlucky:
            self.back_up(("users", *looking.COPIES))

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:  # hypothesis comes here after a failure too
            self._end()
        self.system.end_beside(committed=False)

    def _end(self) -> None:
        """Stop the faults: retry what failed, send what waits, and deliver or lose it."""
        if self.system.beside is not None:
            self.end_slowly(True)
        for _ in range(20):
            self.retry()
            self.check()
            sent = sum(relay.run_once().sent for relay in self.system.relays.values())
            self.check()
            self._arrive_all()
            if not sent:
                break
        for copy in self.copies.values():
            if not copy.registered and not (copy.live and self.backups):
                continue
            self.register(copy.name)  # a backup may be older than the registration
            if copy.live and not self._below_floor(copy):
                self.catch_up(copy.name, 3, "", 1, None)
            else:
                self.bootstrap(copy.name, 3, "", 1, False, False, None)
            self.check()
            self._repair(copy, None, authority_wins=True)
            self.check()
        self._converge()

    def _converge(self) -> None:
        """Finish what a comparison can't settle alone: erase everywhere the users that are erased here."""
        begun = [copy for copy in self.copies.values() if looking.place(self.system, copy.name).state == "live"]
        for copy in begun:
            self.erase_again(copy.name)
            self.check()
        for copy in begun:
            self.catch_up(copy.name, 3, "", 1, None)
            self.check()
            self._repair(copy, None, authority_wins=True)
            self.check()
            holds(EQUAL, not self._differing(copy), f"repaired, {copy.name} has {self._differing(copy)}")
            self._equal_by_sql(copy)
            self.tend(copy.name)
            self.report(copy.name)
            self.check()
            doubt = staleness.doubt(copy.name, "users", timezone.now() - self.looking.changed_at)
            holds(FRESH, not doubt, f"all is well, and {copy.name} isn't confirmed: {doubt}")

    def _below_floor(self, copy: Copy) -> bool:
        """Return True if the copy was set back to before the tombstone floor; then it begins again."""
        return copy.set_back and looking.place(self.system, copy.name).checkpoint < pages.floor(Alias("users"))

    def _arrive_all(self) -> None:
        for name, messages in self.flying.items():
            while messages:
                message = messages.pop(self.chance.randrange(len(messages)))
                if self.chance.random() < 0.8:
                    self._arrive(name, message, "", poison=False)
            self.check()

    def _equal_by_sql(self, copy: Copy) -> None:
        """Check the same without the model."""
        sql = """SELECT l.aggregate_id, l.version, l.deleted, u.status, u.email, u.name FROM messaging_ledger l
            LEFT JOIN users_user u ON l.aggregate_id = {} WHERE l.aggregate = 'users.user'"""
        there = {}
        for key, version, deleted, *facts in self.system.rows("users", sql.format(looking.id_as_text("u.id"))):
            there[key] = version, copy.keeps(GONE if deleted else Facts(*facts))
        here = looking.copied(self.system, copy.name)
        if copy.partial_to:
            there = {key: row for key, row in there.items() if key in here}
        holds(EQUAL, here == there, f"{copy.name} has {here}, and the authority's rows are {there}")
