"""Rows on both sides of a comparison, written directly."""

import random
import uuid
from datetime import UTC, datetime

from django.db import connections

from billing.models import CachedUser
from users.models import User

SINCE = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def authority_has(number):
    """Insert so many active users with random ids; returns the ids, ascending."""
    chance = random.Random(number)
    ids = sorted(uuid.UUID(int=chance.getrandbits(128)) for _ in range(number))
    User.objects.using("users").bulk_create(
        User(id=key, email=f"{key}@example.org", name="U", status="active", status_since=SINCE) for key in ids
    )
    return ids


def cache_has(rows):
    """Insert cached users. `rows`: (version, status) by id."""
    CachedUser.objects.using("billing").bulk_create(
        CachedUser(
            user_id=key,
            version=version,
            status=status,
            status_since=SINCE,
            source="event",
            authority_time=SINCE,
            received_at=SINCE,
        )
        for key, (version, status) in rows.items()
    )


def cached(key):
    return CachedUser.objects.using("billing").get(pk=key)


def spelled(alias, key):
    """Return an id as that database stores it."""
    return key.hex if connections[alias].vendor == "sqlite" else key
