"""A program that writes while its rows move: `python -m tests.delivery.writer users 1 FOLDER`.

It writes to where the rows are, tries again while they are handed over, and goes to where it is sent. What was committed it notes
in FOLDER/<name>.log, one line each: the place, the id and the row as it must be now (null: deleted). It ends when FOLDER/stop is
there.
"""

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

#: Seconds between two writes, and before another try during a hand-over.
PACE, AGAIN = 0.03, 0.005


class Users:
    """Users, in the monolith's table or by the services of `users`."""

    labels = {"monolith": "monolith.user", "users": "users.user"}

    def __init__(self, name: str) -> None:
        self.name, self.number = name, 0
        self.rows: dict[str, Any] = {}

    def write(self, place: str, chance: random.Random) -> tuple[str, Any]:
        known = [key for key, row in self.rows.items() if row["status"] != "erased"]
        if not known or chance.random() < 0.4:
            self.number += 1
            return self.create(place, f"w{self.name}-{self.number}@example.org")
        key, kind = chance.choice(known), chance.choice(["email", "status", "status", "erase"])
        return self.change(place, key, dict(self.rows[key]), kind)

    def create(self, place: str, email: str) -> tuple[str, Any]:
        from monolith.models import User
        from users.services import user_register

        row = {"email": email, "name": "W", "status": "active"}
        if place == "users":
            return str(user_register(email=email, name="W").pk), row
        return str(User.objects.using("monolith").create(email=email, name="W").pk), row

    def change(self, place: str, key: str, row: dict[str, str], kind: str) -> tuple[str, Any]:
        from monolith.models import User
        from users import services

        if kind == "email":
            self.number += 1
            row["email"] = f"w{self.name}-{self.number}@example.org"
        elif kind == "erase":
            row |= {"email": "", "name": "", "status": "erased"}
        else:
            row["status"] = "active" if row["status"] == "suspended" else "suspended"
        if place == "monolith":
            User.objects.using("monolith").filter(pk=key).update(**row)
        elif kind == "email":
            services.user_change_email(user_id=UUID(key), email=row["email"])
        elif kind == "erase":
            services.user_erase(user_id=UUID(key))
        elif row["status"] == "active":
            services.user_reactivate(user_id=UUID(key))
        else:
            services.user_suspend(user_id=UUID(key), reason="test")
        return key, row


class Invoices:
    """Invoices, in the monolith's table or in billing's, to users of the writer's own."""

    labels = {"monolith": "monolith.invoice", "billing": "billing.invoice"}

    def __init__(self, name: str) -> None:
        from monolith.models import User

        self.name, self.number = name, 0
        self.rows: dict[str, Any] = {}
        self.user = User.objects.using("monolith").get(email=f"owner-{name}@example.org")

    def write(self, place: str, chance: random.Random) -> tuple[str, Any]:
        if not self.rows or chance.random() < 0.5:
            self.number += 1
            return self.create(place, f"{3000 + self.number // 12}-{1 + self.number % 12:02}")
        key = chance.choice(list(self.rows))
        if chance.random() < 0.3:
            self.model(place).filter(pk=key).delete()
            return key, None
        row = {**self.rows[key], "status": "overdue", "amount_minor": chance.randrange(10_000)}
        self.model(place).filter(pk=key).update(**row)
        return key, row

    def create(self, place: str, period: str) -> tuple[str, Any]:
        row = {"period": period, "amount_minor": 1900, "status": "issued"}
        more = {"user_version": 3} if place == "billing" else {"billed_to": "W"}
        return str(self.model(place).create(user_id=self.user.pk, currency="EUR", **row, **more).pk), row

    def model(self, place: str) -> Any:
        from billing.models import Invoice as New
        from monolith.models import Invoice as Old

        return (New if place == "billing" else Old).objects.using(place)


def run(kind: str, name: str, folder: Path) -> None:
    from django.db import transaction

    from messaging.errors import MovedAway, Moving
    from messaging.ownership.ownership import writing

    chance = random.Random(name)
    work = Users(name) if kind == "users" else Invoices(name)
    place = "monolith"
    with (folder / f"{name}.log").open("a") as log:
        while not (folder / "stop").exists():
            try:
                with writing(place, work.labels[place]), transaction.atomic(using=place):
                    key, row = work.write(place, chance)
            except Moving:
                time.sleep(AGAIN)
                continue
            except MovedAway:
                place = next(other for other in work.labels if other != place)
                continue
            if row is None:
                work.rows.pop(key)
            else:
                work.rows[key] = row
            log.write(json.dumps([place, key, row]) + "\n")
            log.flush()
            time.sleep(PACE)


if __name__ == "__main__":
    django.setup()
    run(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
