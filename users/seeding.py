"""Many users at once: made-up ones for a demonstration, and the saving of those from an export (`users/exports.py`).

Without events they count as announced long ago: that is what a system looks like whose history is gone.
"""

import random
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.db import transaction

from messaging import ledger
from users.models import User
from users.services import users_announce_created

DATABASE, AGGREGATE = "users", "users.user"
BATCH = 1000
#: A made-up user has the same id in every database: uuid5 of this namespace and "demo/<seed>/<number>".
NAMESPACE = uuid.UUID("6f1a4c1e-2d53-4d0f-9a57-0f6c3f0b7b1d")
STARTED = datetime(2024, 1, 1, tzinfo=UTC)
FIRST_NAMES = (
    "Ada Amir Anna Ben Chloe Diego Elif Emma Farid Grace Hana Ivan Jonas Kofi Lena Mara Nils Olga Priya Samir Tessa Yuki"
).split()
LAST_NAMES = (
    "Adler Berg Costa Diaz Eriksen Fischer Garcia Haas Ito Jansen Kaya Lang Meyer Novak Okafor Patel Rossi Silva Weber"
).split()
REASONS = ("payment failed", "chargeback", "abuse report", "asked to pause")


def demo_users(count: int, *, suspended: float = 0.0, seed: int = 0) -> Iterator[User]:
    """Made-up users, the same for the same seed. Called again, it goes on with the next ones of that series."""
    chance = random.Random(seed)
    halted = set(chance.sample(range(count), round(count * suspended)))
    for place, (number, user_id) in enumerate(islice(_unused(seed), count)):
        # A generator of its own, so that a user doesn't depend on how many were asked for.
        chance = random.Random(f"{seed}/{number}")
        first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        since = STARTED + timedelta(seconds=chance.randrange(2 * 365 * 86400))
        user = User(
            id=user_id,
            email=f"{first}.{last}.{number}{_series(seed)}".lower(),
            name=f"{first} {last}",
            created_at=since,
            status_since=since,
        )
        if place in halted:
            suspend(user, chance.choice(REASONS), since + timedelta(days=chance.randrange(1, 60)))
        yield user


def _series(seed: int) -> str:
    return f".s{seed}@example.org" if seed else "@example.org"


def _unused(seed: int) -> Iterator[tuple[int, uuid.UUID]]:
    """(number, id) of the series' users that never were. The ledger knows the erased and the deleted too."""
    first = 1 + User.objects.using(DATABASE).filter(email__regex=rf"\.[0-9]+{re.escape(_series(seed))}$").count()
    while True:
        ids = {uuid.uuid5(NAMESPACE, f"demo/{seed}/{number}"): number for number in range(first, first + BATCH)}
        taken = known(ids)
        yield from ((number, user_id) for user_id, number in ids.items() if user_id not in taken)
        first += BATCH


def known(ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these ids a user has, or had once."""
    found = ledger.positions(DATABASE, [(AGGREGATE, str(user_id)) for user_id in ids])
    return {uuid.UUID(subject) for _, subject in found}


def suspend(user: User, reason: str, since: datetime) -> None:
    """Make a user that isn't saved yet a suspended one."""
    user.status, user.status_since, user.suspension_reason = User.Status.SUSPENDED, since, reason


def save(users: Iterable[User], *, with_events: bool, progress: Callable[[int], None] = lambda done: None) -> int:
    """Save new users, a batch to a transaction; returns how many. What is saved before an error stays saved."""
    remaining, saved = iter(users), 0
    while batch := list(islice(remaining, BATCH)):
        with transaction.atomic(using=DATABASE):
            User.objects.using(DATABASE).bulk_create(batch)
            if with_events:
                users_announce_created(batch)
            else:
                ledger.baseline(DATABASE, AGGREGATE, [str(user.pk) for user in batch])
        saved += len(batch)
        progress(len(batch))
    return saved
