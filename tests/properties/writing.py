"""Rules for writes at the authority: by service, without it, several together, rolled back, slow."""

import uuid

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.properties.model import GONE, LEDGER, Authority, Facts, Refused, holds
from tests.properties.story import WHICH, Story, refuses
from users import services
from users.errors import TransitionNotAllowed, UnknownUser
from users.models import User

SERVICES = ["register", "suspend", "reactivate", "change_email", "erase"]


class Undone(Exception):
    """Rolls a transaction back."""


class Writing(Story):
    @rule(what=st.sampled_from(SERVICES), which=WHICH)
    def write(self, what: str, which: int) -> None:
        """Write by a service."""
        self._written(self.authority, what, which)

    @rule(what=st.sampled_from(["update", "raw", "raw", "bulk", "delete", "again"]), which=WHICH)
    def write_silently(self, what: str, which: int) -> None:
        """Write without a service, so no event is recorded."""
        self._written(self.authority, what, which)

    @rule(
        whats=st.lists(st.sampled_from([*SERVICES, "update", "raw"]), min_size=1, max_size=3),
        which=WHICH,
        committed=st.booleans(),
    )
    def write_together(self, whats: list[str], which: int, committed: bool) -> None:
        """Write several times in one transaction, which commits or not."""
        begun = self.authority.begun()
        try:
            with transaction.atomic(using="users"):
                for number, what in enumerate(whats):
                    self._written(begun, what, which + number // 2)
                if not committed:
                    raise Undone
        except Undone:
            return
        self.authority = begun

    @precondition(lambda self: self.system.beside is None and self.system.writes_beside)
    @rule()
    def write_slowly(self) -> None:
        """Start a slow write on another connection. SQLite's writers queue, so it is left out there."""
        key, email = self.system.new_id(), self._address()
        self.system.begin_beside(User(id=key, email=email, name="Slow"))
        self.slow = str(key), Facts("active", email, "Slow")

    @precondition(lambda self: self.system.beside is not None)
    @rule(committed=st.sampled_from([True, True, False]))
    def end_slowly(self, committed: bool) -> None:
        self.system.end_beside(committed)
        if committed:
            self.authority.write(*self.slow)

    def _written(self, model: Authority, what: str, which: int) -> None:
        """Write, and record it in the model if it was allowed; both must agree on that."""
        key = self._user(model, which)
        if what == "register":
            email = self._address()
            user = services.user_register(email=email, name="New")
            model.register(str(user.pk), email, "New")
        elif key is None:
            return
        elif what in SERVICES:
            self._by_service(model, what, key)
        else:
            self._silently(model, what, key)

    def _by_service(self, model: Authority, what: str, key: str) -> None:
        address = self._address()
        real, expected = {
            "suspend": (lambda: services.user_suspend(user_id=uuid.UUID(key), reason="x"), lambda: model.suspend(key)),
            "reactivate": (lambda: services.user_reactivate(user_id=uuid.UUID(key)), lambda: model.reactivate(key)),
            "change_email": (
                lambda: services.user_change_email(user_id=uuid.UUID(key), email=address),
                lambda: model.change_email(key, address),
            ),
            "erase": (lambda: services.user_erase(user_id=uuid.UUID(key)), lambda: model.erase(key)),
        }[what]
        refused = (refuses(real, (TransitionNotAllowed, UnknownUser)), refuses(expected, (Refused,)))
        holds(LEDGER, refused[0] == refused[1], f"{what} of {key}: refused by (service, model): {refused}")

    def _silently(self, model: Authority, what: str, key: str) -> None:
        user, pk = model.users[key], uuid.UUID(key)
        rows = User.objects.using("users").filter(pk=pk)
        if what == "update":
            keys = [known for known, one in model.users.items() if one.row is not None and one.row.status != "erased"]
            User.objects.using("users").filter(pk__in=keys).update(name="Updated")
            for known in keys:
                model.write(known, (model.users[known].row or GONE)._replace(name="Updated"))
        elif what == "bulk":
            made = [User(email=self._address(), name="Bulk") for _ in range(2)]
            User.objects.using("users").bulk_create(made)
            for one in made:
                model.write(str(one.pk), Facts("active", one.email, "Bulk"))
        elif what == "again":
            if user.row is None:  # restore a deleted row
                row = Facts("active", self._address(), "Again")
                User.objects.using("users").bulk_create([User(id=pk, email=row.email, name=row.name)])
                model.write(key, row)
        elif user.row is None:
            return
        elif what == "raw":  # raw SQL may write to an erased row too
            status, email = ("suspended" if user.row.status == "active" else "active"), user.row.email or self._address()
            self.system.execute("users", "UPDATE users_user SET status = %s, email = %s WHERE id = %s", status, email, pk)
            model.write(key, user.row._replace(status=status, email=email))
        else:
            rows.delete()
            model.write(key, None)
