"""Change a table's triggers while others write to it.

PostgreSQL needs a lock that waits for every transaction that has written to the table, and while it waits, new writers queue behind
it. So each try waits only for a moment, and the next one comes after a pause with jitter.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, connections, transaction

from messaging.database import engines, errors
from messaging.errors import TableBusy

#: How many seconds a try waits for a lock. Writers may wait as long behind it.
LOCK_SECONDS = 0.05
#: The mean pause between two tries, and for how long to try, in seconds.
PAUSE_SECONDS, PATIENCE_SECONDS = 0.5, 60.0

Result = TypeVar("Result")
Say = Callable[[str], None]


def silent(sentence: str) -> None:
    """Say nothing."""


def retried(using: str, table: str, work: Callable[[], Result], say: Say = silent) -> Result:
    """Do the work in a transaction that waits for locks only for a moment, again and again. `say` is called once with a sentence
    about what it waits for. Raises `TableBusy` after `PATIENCE_SECONDS`."""
    connection, ends, told = connections[using], time.monotonic() + PATIENCE_SECONDS, False
    while True:
        try:
            with transaction.atomic(using=using):
                engines.for_alias(using).wait_at_most(connection, LOCK_SECONDS)
                return work()
        except DatabaseError as error:
            if not blocked(error):
                raise
        busy = f"{table} is in use: {engines.for_alias(using).oldest_user(connection, table) or 'others write to it all the time'}."
        if time.monotonic() >= ends:
            raise TableBusy(f"{busy} End that transaction or wait for it, then try again.")
        if not told:
            say(f"{busy} Trying for {PATIENCE_SECONDS:g} s.")
            told = True
        time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))


def blocked(error: DatabaseError) -> bool:
    """Return True if another transaction was in the way, and nothing was changed."""
    return errors.collided(error) or errors.gave_up_waiting(error)
