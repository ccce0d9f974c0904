"""Many users at once: made up for a demonstration, or real ones from an export of `auth_user`.

Without events they count as announced long ago: that is what a system looks like whose history is gone.
"""

import csv
import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from messaging import ledger
from users.models import User
from users.services import users_announce_created

DATABASE = "users"
BATCH = 1000
#: An integer id becomes the same UUID in every import: uuid5 of this namespace and "auth_user/<id>".
NAMESPACE = uuid.UUID("6f1a4c1e-2d53-5d0f-9a57-0f6c3f0b7b1d")
STARTED = datetime(2024, 1, 1, tzinfo=UTC)
FIRST_NAMES = "Ada Amir Anna Ben Chloe Diego Elif Emma Farid Grace Hana Ivan Jonas Kofi Lena Mara Nils Olga Priya Samir Tessa Yuki".split()
LAST_NAMES = "Adler Berg Costa Diaz Eriksen Fischer Garcia Haas Ito Jansen Kaya Lang Meyer Novak Okafor Patel Rossi Silva Weber".split()
REASONS = ("payment failed", "chargeback", "abuse report", "asked to pause")
TRUE, FALSE = {"1", "t", "true", "yes", "y"}, {"0", "f", "false", "no", "n"}


class UnreadableExport(Exception):
    """The file can't be read, or its columns aren't those of an export."""


@dataclass(frozen=True)
class BadRow:
    """A row that can't become a user: its line in the file, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Export:
    """What a CSV file holds: users that aren't saved yet, and the rows that can't be."""

    users: list[User]
    bad: list[BadRow]


def demo_users(count: int, *, suspended: float = 0.0, seed: int = 0) -> Iterator[User]:
    """Made-up users, the same for the same seed. After those of an earlier call, the next ones of the series come."""
    taken = User.objects.using(DATABASE).filter(email__endswith=f".{seed}@example.org").count()
    for number in range(taken, taken + count):
        # One generator per user, so that a user doesn't depend on how many were asked for.
        chance = random.Random(f"{seed}/{number}")
        first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        since = STARTED + timedelta(seconds=chance.randrange(2 * 365 * 86400))
        user = User(
            id=uuid.UUID(int=chance.getrandbits(128), version=4),
            email=f"{first}.{last}.{number + 1}.{seed}@example.org".lower(),
            name=f"{first} {last}",
            created_at=since,
            status_since=since,
        )
        if chance.random() < suspended:
            _suspend(user, chance.choice(REASONS), since + timedelta(days=chance.randrange(1, 60)))
        yield user


def read_export(path: Path) -> Export:
    """Read a CSV export: `id,email`, `name` or `first_name,last_name`, and `status` or `is_active` if it has one.

    Raises `UnreadableExport`. Rows that are no good are returned beside the others, the file's duplicates among them.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            _check_columns(path, reader.fieldnames or [])
            return _read_rows(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableExport(f"{path} can't be read as CSV in UTF-8: {error}") from error
