"""Writes like a busy project: `python -m tests.chaos.writer writer-1 SEED FOLDER`.

It writes by services, by `update()` and `bulk_create()`, by raw SQL, and in slow and rolled back transactions. `writer-billing`
issues invoices, and marks some as overdue. If a database or a rule refuses a write, the next write is another one. It ends when
FOLDER/stop exists.
"""

import os
import random
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

#: Seconds between two writes.
PACE = 0.03
#: Ids of users that only their invoices suspend, so the effect of invoices and that of writers can be told apart. The prefix is so
#: long that no random id has it; with four digits, one of fifteen runs had one.
PAYER = "fa11fa11"
PERIODS = ("2026-10", "2026-11", "2026-12")


class RolledBack(Exception):
    """Makes a writer roll back."""


def payer(user_id: Any) -> bool:
    return str(user_id).startswith(PAYER)


class Users:
    """Writes to the authority's users. Each method is one write; `odds` says how often it is chosen."""

    using = "users"

    def __init__(self, chance: random.Random) -> None:
        from users.models import User

        self.chance = chance
        rows = User.objects.using("users").order_by("?").values_list("pk", flat=True)[:400]
        self.known = [key for key in rows if not payer(key)]
        self.odds: dict[Callable[[], None], int] = {
            self.register: 8,
            self.by_a_service: 36,
            self.erase: 4,
            self.pay_later: 5,
            self.update: 6,
            self.raw: 8,
            self.slowly: 6,
            self.unannounced: 5,
            self.rolled_back: 4,
            self.delete: 3,
            self.haunt: 2,
        }

    def one(self) -> Any:
        return self.chance.choice(self.known)

    def address(self) -> str:
        return f"{self.chance.getrandbits(64):x}@example.org"

    def register(self) -> None:
        from users.services import user_register

        self.known.append(user_register(email=self.address(), name="Chaos").pk)

    def by_a_service(self) -> None:
        from users import services

        user_id, kind = self.one(), self.chance.choice(["suspend", "reactivate", "email"])
        if kind == "suspend":
            services.user_suspend(user_id=user_id, reason="chaos")
        elif kind == "reactivate":
            services.user_reactivate(user_id=user_id)
        else:
            services.user_change_email(user_id=user_id, email=self.address())

    def erase(self) -> None:
        from users.services import user_erase

        user_erase(user_id=self.one())

    def pay_later(self) -> None:
        """Make a user that only the handler of an overdue invoice changes."""
        from django.db import transaction

        from users.models import User
        from users.services import users_announce_created

        user = User(pk=uuid.UUID(f"{PAYER}{self.chance.getrandbits(96):024x}"), email=self.address(), name="Payer")
        with transaction.atomic(using="users"):
            user.save(using="users", force_insert=True)
            users_announce_created([user])

    def update(self) -> None:
        """Write without an event, which only the ledger's trigger notices."""
        from users.models import User

        some = [self.one() for _ in range(3)]
        User.objects.using("users").filter(pk__in=some).exclude(status="erased").update(
            status=self.chance.choice(["active", "suspended"])
        )

    def raw(self) -> None:
        self._sql("UPDATE users_user SET name = %s WHERE id = %s", f"N{self.chance.getrandbits(16)}", self.one())

    def slowly(self) -> None:
        """Commit in another order than the transactions began. A reader by a number taken before the commit misses this."""
        from django.db import transaction

        with transaction.atomic(using="users"):
            self.by_a_service()
            time.sleep(self.chance.uniform(0.02, 0.25))

    def unannounced(self) -> None:
        """Make users without events and later writes. A consumer that misses them once, misses them for ever."""
        from django.db import transaction

        from users.models import User

        with transaction.atomic(using="users"):
            User.objects.using("users").bulk_create(User(email=self.address(), name="Silent") for _ in range(3))
            time.sleep(self.chance.uniform(0.02, 0.25))

    def rolled_back(self) -> None:
        from django.db import transaction

        with transaction.atomic(using="users"):
            self.by_a_service()
            raise RolledBack

    def delete(self) -> None:
        self._sql("DELETE FROM users_user WHERE id = %s", self.one())

    def haunt(self) -> None:
        """Write to an erased user without a service; it must stay erased everywhere else."""
        self._sql("UPDATE users_user SET status = 'active', name = %s WHERE id = %s AND status = 'erased'", "Ghost", self.one())

    def _sql(self, text: str, *values: Any) -> None:
        from django.db import connections

        connection = connections["users"]
        keyed = [value.hex if isinstance(value, uuid.UUID) and connection.vendor == "sqlite" else value for value in values]
        with connection.cursor() as cursor:
            cursor.execute(text, keyed)


class Invoices:
    """Billing's own work."""

    using = "billing"

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.odds: dict[Callable[[], None], int] = {self.generate: 1, self.overdue: 12}

    def generate(self) -> None:
        from datetime import timedelta

        from billing.services import invoices_generate
        from messaging.replica.staleness import Policy

        policy = self.chance.choice(list(Policy))
        invoices_generate(
            period=self.chance.choice(PERIODS), policy=policy, max_staleness=timedelta(seconds=self.chance.choice([1, 10, 900]))
        )

    def overdue(self) -> None:
        """Mark an invoice as overdue: a payer's, or sometimes another user's."""
        from billing.models import Invoice
        from billing.services import invoice_mark_overdue

        invoices = Invoice.objects.using("billing")
        late = {user for user in invoices.filter(status="overdue").values_list("user_id", flat=True) if payer(user)}
        issued = list(invoices.filter(status="issued").values_list("pk", "user_id"))
        due = [key for key, user in issued if payer(user) and user not in late]
        others = [key for key, user in issued if not payer(user)]
        chosen = others if others and (not due or self.chance.random() < 0.2) else due
        if chosen:
            invoice_mark_overdue(invoice_id=self.chance.choice(chosen))


def run(name: str, seed: str, folder: Path) -> None:
    from django.core.exceptions import ValidationError
    from django.db import Error, connections

    from billing.errors import BillingError
    from users.errors import UserError

    chance = random.Random(f"{seed}-{name}-{os.getpid()}")
    work: Users | Invoices | None = None
    using = "billing" if name == "writer-billing" else "users"
    while not (folder / "stop").exists():
        try:
            work = work or (Invoices(chance) if using == "billing" else Users(chance))
            chance.choices(list(work.odds), list(work.odds.values()))[0]()
        except (UserError, BillingError, ValidationError, RolledBack):
            pass  # a rule refused it
        except Error:
            connections[using].close()  # not answering, cut, full or locked: a person would try again
        time.sleep(PACE if using == "users" else PACE * 4)


if __name__ == "__main__":
    django.setup()
    run(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
