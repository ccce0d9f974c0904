"""Demo users, and saving many users at once (`users/exports.py` reads those of a CSV file).

Users that are saved without events count as announced long ago, as in a system whose event history is gone.
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
    """Make the next `count` demo users of a series. The same seed gives the same users."""
    # The ledger knows erased and deleted users too, so none of them comes back.
    there = User.objects.using(DATABASE).filter(email__regex=rf"\.[0-9]+{re.escape(series(seed))}$").count()
    for person in people(count, suspended=suspended, seed=seed, first=1 + there, known=known):
        user = User(id=person.id, email=person.email, name=person.name, created_at=person.since, status_since=person.since)
        if person.suspended:
            suspend(user, *person.suspended)
        yield user


def known(ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Return those ids that a user has or had."""
    found = positions(DATABASE, [(AGGREGATE, str(user_id)) for user_id in ids])
    return {uuid.UUID(subject) for _, subject in found}


def suspend(user: User, reason: str, since: datetime) -> None:
    """Suspend a user that isn't saved yet."""
    user.status, user.status_since, user.suspension_reason = User.Status.SUSPENDED, since, reason


def save(users: Iterable[User], *, with_events: bool, progress: Callable[[int], None] = lambda done: None) -> int:
    """Save new users and return their number. Each batch is one transaction, so earlier batches stay if one fails."""
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
