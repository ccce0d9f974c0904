"""Demo users in the monolith, with the same ids as those that `users/seeding.py` makes for the split contexts."""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import islice

from django.db import transaction

from demo.people import people, series
from messaging.publisher import baseline, positions
from messaging.settings import context
from monolith.models import User

DATABASE, AGGREGATE = context("monolith").alias, "monolith.user"
BATCH = 1000


def demo_users(count: int, *, suspended: float = 0.0, seed: int = 0) -> Iterator[User]:
    """Make the next `count` demo users of a series, not saved yet. The same seed gives the same users."""
    there = User.objects.filter(email__regex=rf"\.[0-9]+{re.escape(series(seed))}$").count()
    for person in people(count, suspended=suspended, seed=seed, first=1 + there, known=_known):
        user = User(id=person.id, email=person.email, name=person.name, created_at=person.since, status_since=person.since)
        if person.suspended:
            user.status = User.Status.SUSPENDED
            user.suspension_reason, user.status_since = person.suspended
        yield user


def save(users: Iterable[User], *, progress: Callable[[int], None] = lambda done: None) -> int:
    """Save new users, a transaction per batch, and return their number. They count as announced long ago, without events."""
    remaining, saved = iter(users), 0
    while batch := list(islice(remaining, BATCH)):
        with transaction.atomic(using=DATABASE):
            User.objects.bulk_create(batch)
            baseline(DATABASE, AGGREGATE, [str(user.pk) for user in batch])
        saved += len(batch)
        progress(len(batch))
    return saved


def last_month(today: date) -> str:
    """Return the month before `today`, such as 2026-10."""
    return f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"


def _known(ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Return those ids that a user has or had."""
    found = positions(DATABASE, [(AGGREGATE, str(user_id)) for user_id in ids])
    return {uuid.UUID(subject) for _, subject in found}
