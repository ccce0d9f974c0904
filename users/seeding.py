"""Many users at once: made-up ones for a demonstration, and the saving of those from an export (`users/exports.py`).

Without events they count as announced long ago: that is what a system looks like whose history is gone.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice

from django.db import transaction

from demo.people import people, series
from messaging.publisher import baseline, positions
from messaging.settings import context
from users.models import User
from users.services import users_announce_created

DATABASE, AGGREGATE = context("users").alias, "users.user"
BATCH = 1000


def demo_users(count: int, *, suspended: float = 0.0, seed: int = 0) -> Iterator[User]:
    """Made-up users, the same for the same seed. Called again, it goes on with the next ones of that series."""
    # The ledger knows the erased and the deleted too, so nobody comes back.
    there = User.objects.using(DATABASE).filter(email__regex=rf"\.[0-9]+{re.escape(series(seed))}$").count()
    for person in people(count, suspended=suspended, seed=seed, first=1 + there, known=known):
        user = User(id=person.id, email=person.email, name=person.name, created_at=person.since, status_since=person.since)
        if person.suspended:
            suspend(user, *person.suspended)
        yield user


def known(ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these ids a user has, or had once."""
    found = positions(DATABASE, [(AGGREGATE, str(user_id)) for user_id in ids])
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
                baseline(DATABASE, AGGREGATE, [str(user.pk) for user in batch])
        saved += len(batch)
        progress(len(batch))
    return saved
