"""Users that keep changing while a chapter shows something else."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import connections

from users.models import User
from users.services import user_reactivate, user_suspend

#: Seconds between two changes.
SPACING = 0.05


@dataclass
class Writing:
    """How many changes were made so far."""

    changes: int = 0


@contextmanager
def busy_users() -> Iterator[Writing]:
    """Within the block, a thread suspends and reactivates one user after the other."""
    writing, stop = Writing(), threading.Event()

    def write() -> None:
        users = list(User.objects.using("users").exclude(status="erased").values_list("pk", "status"))
        try:
            while not stop.wait(SPACING):
                number = random.randrange(len(users))
                users[number] = _toggled(*users[number])
                writing.changes += 1
        finally:
            connections["users"].close()

    thread = threading.Thread(target=write, name="busy users")
    thread.start()
    try:
        yield writing
    finally:
        stop.set()
        thread.join()


def _toggled(user_id: UUID, status: str) -> tuple[UUID, str]:
    if status == "active":
        user_suspend(user_id=user_id, reason="a busy day")
        return user_id, "suspended"
    user_reactivate(user_id=user_id)
    return user_id, "active"
