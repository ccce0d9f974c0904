"""Which context may write a model's rows while they move from one context to another. Each of the two databases has a row that
names the owner, and each of the two tables a guard that checks it (`messaging.database.guard`).

A convention isn't enough: the old code still runs, with an admin, a shell and cron jobs. Tables that don't move have no guard.

Two databases can't commit together. So the rows are first taken from one side and then given to the other: for a moment there may
be no owner, but never two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from messaging import failpoints
from messaging.database import errors, lock_waits
from messaging.database import guard as guard_sql
from messaging.database.guard import MARK, TRY_AGAIN, Guard
from messaging.errors import MovedAway, Moving, NotFollowing, NotTheOwner
from messaging.models import Ownership

State = Ownership.State
#: How many seconds a hand-over waits for writers in flight.
PATIENCE_SECONDS = 10.0


def ownership(using: str, label: str) -> Ownership | None:
    """The ownership's row of a model in this database; None if the model was never split, so its own context owns it."""
    return Ownership.objects.using(using).filter(pk=label).first()


def owns(using: str, label: str) -> bool:
    """Return True if the model's own context, the first part of its label, is the owner. That includes a write pause."""
    row = ownership(using, label)
    return row is None or row.owner == label.partition(".")[0]


def follows(using: str, label: str) -> bool:
    """Return True if the rows of a model (`label`: "users.user") in this database are a copy, because another context owns them."""
    return not owns(using, label)


@contextmanager
def writing(using: str, label: str) -> Iterator[None]:
    """Context manager around a transaction that writes a model's rows. It turns the guard's refusals into exceptions of their own.

    Raises
    ------
    Moving
        The rows are being handed over: try again in a moment.
    MovedAway
        Another context owns the rows: write there.
    """
    try:
        yield
    except IntegrityError as error:
        refused = refusal(error)
        if refused is None:
            raise
        raise refused from error


def refusal(error: BaseException) -> NotTheOwner | None:
    """The guard's refusal behind a database error; None for any other error."""
    if not errors.refused_by_trigger(error):
        return None
    # Only the text says which trigger it was, and why: SQLite's RAISE has nothing else. The guard wrote that text.
    _, found, sentence = str(error).partition(MARK)
    if not found:
        return None
    sentence = sentence.splitlines()[0].strip()
    return Moving(sentence) if sentence.endswith(TRY_AGAIN) else MovedAway(sentence)


@contextmanager
def writing_as_follower(using: str, label: str) -> Iterator[None]:
    """Context manager for a transaction that copies the owner's changes. Raises `NotFollowing` if this context is the owner."""
    engine = guard_sql.for_alias(using)
    with transaction.atomic(using=using):
        engine.follow(using, label)
        if owns(using, label):
            raise NotFollowing(f"{label} belongs to {label.partition('.')[0]} itself, so there is nothing to follow.")
        yield
        engine.unfollow(using, label)


# --- The steps of a split ------------------------------------------------------------------------------------------------


def guard(guarded: Guard, owner: str, say: lock_waits.Say = lock_waits.silent) -> None:
    """Install a guard on a table, with this owner. An existing one stays as it is. `say` is called with a sentence when other
    transactions use the table. Raises `TableBusy`."""
    using, engine = guarded.using, guard_sql.for_alias(guarded.using)
    if ownership(using, guarded.label) and engine.there(connections[using], guarded):
        return

    def install() -> None:
        engine.lock(using, guarded.label, lock_waits.LOCK_SECONDS)
        Ownership.objects.using(using).get_or_create(pk=guarded.label, defaults={"owner": owner})
        if not engine.there(connections[using], guarded):
            engine.install(connections[using], guarded)

    lock_waits.retried(using, guarded.table, install, say)


def unguard(guarded: Guard) -> None:
    """Remove the guard and its row, so that anybody may write. Raises `TableBusy`.

    They are removed in two transactions. Writers lock the table and then the row, followers the row and then the table; one
    transaction with both locks could deadlock with one of them. If it ends in between, `guard` installs the guard again.
    """
    engine = guard_sql.for_alias(guarded.using)
    lock_waits.retried(guarded.using, guarded.table, lambda: engine.remove(connections[guarded.using], guarded))
    failpoints.reach("split.unguarded")
    with transaction.atomic(using=guarded.using):
        engine.wait_for(guarded.using, PATIENCE_SECONDS)
        Ownership.objects.using(guarded.using).filter(pk=guarded.label).delete()


def pause(guarded: Guard, longest: timedelta) -> datetime:
    """Pause the owner's writers for `longest`. Returns the end of the pause: the guard ends it by the database's clock, even if
    this process was killed. Raises `OperationalError` if writers in flight take longer than that."""
    until = _now(guarded.using) + longest  # from now on new writers wait for us
    with _changing(guarded, longest.total_seconds()) as row:
        row.state, row.until = State.MOVING, until
        row.save(using=guarded.using)
    failpoints.reach("split.paused")
    return until


def lift(guarded: Guard) -> None:
    """End a write pause. The owner stays."""
    with _changing(guarded, PATIENCE_SECONDS) as row:
        if row.owner == guarded.own:
            row.state, row.until = State.SETTLED, None
            row.save(using=guarded.using)


def take(guarded: Guard) -> bool:
    """Take the ownership from this side during its pause. Returns False if the pause is over: rows may have changed since."""
    with _changing(guarded, PATIENCE_SECONDS) as row:
        if row.owner != guarded.own or row.state != State.MOVING or row.until is None or row.until <= _now(guarded.using):
            return False
        row.owner, row.until = guarded.other, None  # still moving: writers are sent to the other side only when it is the owner
        row.save(using=guarded.using)
    failpoints.reach("split.taken")
    return True


def give(guarded: Guard, seconds: float | None = None) -> None:
    """Make this side the owner, after the ownership was taken from the other side."""
    with _changing(guarded, PATIENCE_SECONDS if seconds is None else min(seconds, PATIENCE_SECONDS)) as row:
        row.owner, row.state, row.until, row.since = guarded.own, State.SETTLED, None, timezone.now()
        row.save(using=guarded.using)
    failpoints.reach("split.given")


def take_back(guarded: Guard) -> None:
    """Make this side the owner again. Only if the ownership was certainly not given to the other side."""
    with _changing(guarded, PATIENCE_SECONDS) as row:
        row.owner, row.state, row.until = guarded.own, State.SETTLED, None
        row.save(using=guarded.using)


def settle(guarded: Guard) -> None:
    """Send writers to the other side from now on, because it is the owner."""
    with _changing(guarded, PATIENCE_SECONDS) as row:
        row.state, row.until, row.since = State.SETTLED, None, timezone.now()
        row.save(using=guarded.using)
    failpoints.reach("split.settled")


def note_verdict(guarded: Guard, verdict: str) -> None:
    Ownership.objects.using(guarded.using).filter(pk=guarded.label).update(verdict=verdict, verified_at=timezone.now())


@contextmanager
def _changing(guarded: Guard, seconds: float) -> Iterator[Ownership]:
    with transaction.atomic(using=guarded.using):
        guard_sql.for_alias(guarded.using).lock(guarded.using, guarded.label, seconds)
        yield Ownership.objects.using(guarded.using).get(pk=guarded.label)


def _now(using: str) -> datetime:
    """The database's present time, not that of the transaction's start."""
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "postgresql":
            cursor.execute("SELECT clock_timestamp()")
            return cursor.fetchone()[0]  # type: ignore[no-any-return]
    return timezone.now()  # SQLite's clock is this machine's
