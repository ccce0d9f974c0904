"""Enters the rows that are older than a model's triggers, in batches beside its writers.

The triggers come first. So a row that is written or deleted meanwhile has an entry of its own, and the batch leaves it alone. A
deleted row doesn't come back, whichever commits first: if the batch read the row before its deletion, it meets the tombstone at the
unique key. Since that needs the tombstone, `purge` is refused until all rows are entered.

A batch is a short transaction, and writers of its rows wait for it. It moves the row of `Tracking` along, so a killed run resumes
behind the last batch. Until all rows are entered, the feed would lack some, and a consumer would take it for complete. So the feed,
comparisons, `republish` and `purge` are refused.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import F

from messaging import failpoints
from messaging.database import engines
from messaging.database.lock_waits import LOCK_SECONDS, PAUSE_SECONDS, Say, blocked, silent
from messaging.database.tracked import Tracked, literal
from messaging.errors import BeingEntered
from messaging.events.text import plural
from messaging.ledger import sequencer
from messaging.models import Ledger, Tracking
from messaging.settings import Alias, owner

#: The rows of the first batch, and the most. A batch that takes longer than `BATCH_SECONDS` halves the next one, down to
#: `FEW_ROWS`: on a busy machine, smaller ones would hardly be faster.
FIRST_ROWS, MOST_ROWS, FEW_ROWS, BATCH_SECONDS = 500, 1_000, 100, 0.02
#: `migrate` enters the rows of a table with at most so many. A larger one is entered by `track`, because a deployment's `migrate`
#: shouldn't take an hour.
SMALL_ROWS = 5_000


@dataclass(frozen=True)
class Entered:
    """The result of `enter`."""

    rows: int  #: rows read by this run
    resumed: bool  #: an earlier run had begun


def begin(using: str, label: str) -> None:
    """Close the model's feed until its rows are entered, from the first one on. Call it in the transaction that makes or removes
    the triggers."""
    Tracking.objects.using(using).update_or_create(pk=label, defaults={"entered": 0, "entered_to": "", "rows": None})


def unfinished(using: str, label: str) -> Tracking | None:
    """How far a model's rows are entered; None if all are."""
    return Tracking.objects.using(using).filter(pk=label).first()


def require_entered(using: str, label: str | None = None) -> None:
    """Raise `BeingEntered` if rows of this model, or (None) of any model of this context, aren't in the ledger yet."""
    rows = Tracking.objects.using(using)
    for state in rows.filter(pk=label) if label else rows.filter(pk__startswith=f"{owner(using)}."):
        raise BeingEntered(f"{in_words(state)} Enter the rest: manage.py track {state.pk}")


def in_words(state: Tracking) -> str:
    """Say how far a model's rows are entered."""
    if state.rows is None:
        return f"{state.pk} has rows that aren't in the ledger yet, so its feed is closed."
    return f"{state.pk} is still being entered in the ledger: {state.entered:,} of {plural(state.rows, 'row')}."


def is_due(using: str, tracked: Tracked) -> bool:
    """Return True if the rows of a model without triggers have to be entered. If a big table was entered before, it isn't done
    again, because it would close the feed: each comparison and `republish` find rows that no trigger saw (`publisher.unseen`)."""
    known = Ledger.objects.using(using).filter(aggregate=tracked.aggregate)
    return is_small(using, tracked) or unfinished(using, tracked.aggregate) is not None or not known.exists()


def is_small(using: str, tracked: Tracked) -> bool:
    """Return True if `migrate` enters the table's rows. It doesn't count more of them than necessary."""
    return _count(using, f"(SELECT 1 FROM {tracked.quoted} LIMIT {SMALL_ROWS + 1}) t") <= SMALL_ROWS


def _count(using: str, rows: str) -> int:
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {rows}")
        return int(cursor.fetchone()[0])


def track(
    using: str,
    tracked: Tracked,
    *,
    expecting: Callable[[int], None] = lambda rows: None,
    progress: Callable[[int], None] = lambda rows: None,
    say: Say = silent,
) -> Entered:
    """Enter the rest of a large table, and give the entries their positions as they arrive. Otherwise the first read of the feed
    would stamp all of them, which can take longer than a request may. Call it outside a transaction. Safe to stop and to repeat.

    Parameters
    ----------
    expecting
        Called once with the number of rows that are left.
    progress
        Called after each batch with its number of rows.
    say
        Called with a sentence when another transaction holds up the batches.
    """
    state, place = unfinished(using, tracked.aggregate), Alias(using, tracked.context)
    if state is None:
        return Entered(0, resumed=False)
    if state.rows is None:
        state.rows = _count(using, tracked.quoted)
        Tracking.objects.using(using).filter(pk=tracked.aggregate).update(rows=state.rows)
    expecting(max(0, state.rows - state.entered))

    def arrived(rows: int) -> None:
        sequencer.stamp_pending(place, batch=rows)  # writers of these entries wait for a round, too
        progress(rows)

    return Entered(enter(using, tracked, progress=arrived, say=say), resumed=state.entered > 0)


def enter(using: str, tracked: Tracked, *, progress: Callable[[int], None] = lambda rows: None, say: Say = silent) -> int:
    """Enter the rows that aren't in the ledger yet, as announced with version 1, because their history is gone. Returns how many it
    read."""
    total, size, told = 0, FIRST_ROWS, False
    while True:
        began = time.monotonic()
        try:
            read = _batch(using, tracked, size)
        except DatabaseError as error:
            if not blocked(error):
                raise
            # A writer that hasn't committed holds an entry. With fewer rows, the batch stops right before it, and then waits alone.
            if size == 1 and not told:
                who = engines.for_alias(using).oldest_user(connections[using], tracked.table)
                say(f"Waiting for a transaction that wrote to {tracked.table}{f': {who}' if who else ''}.")
                told = True
            size = max(1, size // 2)
            time.sleep(PAUSE_SECONDS * random.uniform(0.05, 0.15))
            continue
        if read is None:
            return total
        took = time.monotonic() - began
        total += read
        failpoints.reach("track.entered")
        progress(read)
        size = max(min(size, FEW_ROWS), size // 2) if took > BATCH_SECONDS else min(2 * size, MOST_ROWS)
        time.sleep(took)  # on SQLite, a waiting writer only gets the lock while nobody has it


def _batch(using: str, tracked: Tracked, size: int) -> int | None:
    """Enter the next rows by their key. Returns their number, or None if all rows are entered."""
    connection, states = connections[using], Tracking.objects.using(using).filter(pk=tracked.aggregate)
    with transaction.atomic(using=using), connection.cursor() as cursor:
        state = states.select_for_update().first()  # a second run waits here, so none goes on when the rows are entered
        if state is None:
            return None
        engine = engines.for_alias(using)
        engine.wait_at_most(connection, LOCK_SECONDS)
        key = f't."{tracked.key_column}"'.replace("%", "%%")
        behind, after = (f"{key} > %s", [_stored(using, tracked, state.entered_to)]) if state.entered else ("true", [])
        rows = f"SELECT {engine.spelled(tracked, 't')} FROM {tracked.quoted} t".replace("%", "%%")
        cursor.execute(f"{rows} WHERE {behind} ORDER BY {key} LIMIT %s", [*after, size])
        keys = [text for (text,) in cursor.fetchall()]
        if not keys:
            states.delete()
            return None
        cursor.execute(
            f"{_entries(using, tracked)} WHERE {behind} AND {key} <= %s ON CONFLICT (aggregate, aggregate_id) DO NOTHING",
            [*after, _stored(using, tracked, keys[-1])],
        )
        states.update(entered=F("entered") + len(keys), entered_to=keys[-1])
    return len(keys)


def _stored(using: str, tracked: Tracked, spelled_key: str) -> Any:
    """A key of the ledger as the model's table has it."""
    return tracked.key.get_db_prep_value(tracked.key.to_python(spelled_key), connections[using])


def _entries(using: str, tracked: Tracked) -> str:
    """The SQL that inserts the entries of the rows t, without its condition."""
    engine, erased = engines.for_alias(using), tracked.tombstone_sql(using, "t")
    return f"""
        INSERT INTO messaging_ledger (aggregate, aggregate_id, version, announced_version, deleted, erased, changed_at)
        SELECT {literal(tracked.aggregate)}, {engine.spelled(tracked, "t")}, 1, 1, {erased}, {erased}, {engine.NOW}
        FROM {tracked.quoted} t""".replace("%", "%%")
