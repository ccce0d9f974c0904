"""Gives changes dense positions in the feed, after their commit and one stamper at a time.

A row's id or a timestamp would not do: both are taken *before* the commit, and transactions commit in another order. A reader with
`id > last` misses rows of slower transactions (measured with 32 writers: 27 % of rows). Here a committed change gets its position
under one lock, and the stamps commit in that order too. So a reader that sees position p sees every position below it.

Neither a broker nor a relay is needed: a read of the feed stamps pending changes first.
"""

import random
import time
from types import ModuleType

from django.db import DatabaseError, connections, transaction

from messaging.database import engines, errors
from messaging.models import Sequence

BATCH_ROWS = 2000
#: How often a round is tried if other transactions collide with it. Under a strict isolation level the second stamper fails.
TRIES = 5


def stamp_pending(using: str, *, batch: int = BATCH_ROWS, limit: int | None = None) -> int:
    """Stamp committed changes without a position, `batch` per transaction, up to `limit`. Returns how many.

    Call it outside a transaction: readers could skip positions that aren't committed yet. The transaction that a `TestCase` puts
    around a test is allowed, because nothing outside it reads the positions.
    """
    if connections[using].in_atomic_block and not _only_a_test_case(using):
        raise RuntimeError("stamp_pending must run outside a transaction, or readers would see later positions first.")
    engine, total = engines.for_alias(using), 0
    while limit is None or total < limit:
        wanted = batch if limit is None else min(batch, limit - total)
        stamped = _stamped(engine, using, wanted)
        total += stamped
        if stamped < wanted:
            break
    return total


def _only_a_test_case(using: str) -> bool:
    """Return True if the innermost transaction is a `TestCase`'s own: Django allows a durable block only there."""
    try:
        with transaction.atomic(using=using, durable=True):
            return True
    except RuntimeError:
        return False


def _stamped(engine: ModuleType, using: str, wanted: int) -> int:
    for attempt in range(1, TRIES):
        try:
            return int(engine.stamp(using, wanted))
        except DatabaseError as error:
            if not errors.collided(error):
                raise
            time.sleep(random.uniform(0.0, 0.02) * attempt)
    return int(engine.stamp(using, wanted))


def head(using: str) -> int:
    """The last position that was given out; 0 if none was."""
    return Sequence.objects.of(using).values_list("head", flat=True).first() or 0
