"""Who may write a model's rows while they move from one context to another: a row in each of the two databases, and a guard on each
of the two tables that asks it (`messaging.database.guard`).

A convention would not do: the old code is still there, with an admin, a shell and a cron job. Where nothing moves, there is no
guard and nothing is asked.

Two databases commit one after the other. So the rows are first taken away from the one side and then given to the other: there may
be a moment without an owner, and never one with two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from messaging import failpoints
from messaging.database import errors
from messaging.database import guard as guard_sql
from messaging.database.guard import MARK, TRY_AGAIN, Guard
from messaging.errors import MovedAway, Moving, NotFollowing, NotTheOwner
from messaging.models import Ownership

State = Ownership.State
#: Seconds that writers in flight may take before a guard or a hand-over gives up on them.
PATIENCE_SECONDS = 10.0


def ownership(using: str, label: str) -> Ownership | None:
    """Who owns a model in this database; None where nothing was ever moved, so that its own context does."""
    return Ownership.objects.using(using).filter(pk=label).first()


def owns(using: str, label: str) -> bool:
    """Whether the model's own context is the owner, in a write pause too. A label begins with its context's name."""
    row = ownership(using, label)
    return row is None or row.owner == label.partition(".")[0]


def follows(using: str, label: str) -> bool:
    """Whether this database's rows are a copy that follows their owner elsewhere."""
    return not owns(using, label)


@contextmanager
def writing(using: str, label: str) -> Iterator[None]:
    """Around writes to a model that may have moved: what the guard refuses is `Moving` or `MovedAway`, and not the database's
    error.

    It goes around the transaction, which is rolled back then.
    """
    try:
        yield
    except IntegrityError as error:
        refused = refusal(error)
        if refused is None:
            raise
        raise refused from error


def refusal(error: BaseException) -> NotTheOwner | None:
    """The guard's refusal behind a database's error; None where it is something else."""
    if not errors.refused_by_trigger(error):
        return None
    # Which trigger it was, and why, only the text says: SQLite's RAISE carries nothing else. The guard wrote it.
    _, found, sentence = str(error).partition(MARK)
    if not found:
        return None
    sentence = sentence.splitlines()[0].strip()
    return Moving(sentence) if sentence.endswith(TRY_AGAIN) else MovedAway(sentence)


@contextmanager
def writing_as_follower(using: str, label: str) -> Iterator[None]:
    """Around the copying of the owner's changes, in a transaction; raises `NotFollowing` where this context is the owner."""
    engine = guard_sql.for_alias(using)
    with transaction.atomic(using=using):
        engine.follow(using, label)
        if owns(using, label):
            raise NotFollowing(f"{label} belongs to {label.partition('.')[0]} itself: there is nothing to follow.")
        yield
        engine.unfollow(using, label)


# --- What a split does to it ---------------------------------------------------------------------------------------------


def guard(guarded: Guard, owner: str) -> None:
    """Put the guard on a table, with this owner; where there is one already, it stays as it is."""
    using, engine = guarded.using, guard_sql.for_alias(guarded.using)
    if ownership(using, guarded.label) and engine.there(connections[using], guarded):
        return
    with transaction.atomic(using=using):
        engine.lock(using, guarded.label, PATIENCE_SECONDS)
        Ownership.objects.using(using).get_or_create(pk=guarded.label, defaults={"owner": owner})
        if not engine.there(connections[using], guarded):
            engine.install(connections[using], guarded)


def unguard(guarded: Guard) -> None:
    """Take the guard and its row away: from now on anybody may write.

    First the one and then the other, each in a transaction: writers lock the table and then the row, followers the row and then
    the table. Whoever wants both at once is a deadlock with one of them. A row without its guard is what `guard` mends.
    """
    engine = guard_sql.for_alias(guarded.using)
    with transaction.atomic(using=guarded.using):
        engine.wait_for(guarded.using, PATIENCE_SECONDS)
        engine.remove(connections[guarded.using], guarded)
    failpoints.reach("split.unguarded")
    with transaction.atomic(using=guarded.using):
        engine.wait_for(guarded.using, PATIENCE_SECONDS)
        Ownership.objects.using(guarded.using).filter(pk=guarded.label).delete()


def pause(guarded: Guard, longest: timedelta) -> datetime:
    """Hold the owner's writers for so long at most; returns when the pause ends by itself. It is the guard that lets them go on, by
    the database's clock: the mover may be dead by then. Raises `OperationalError` where writers in flight take longer than that."""
    until = _now(guarded.using) + longest  # from here on new writers queue behind us
    with _changing(guarded, longest.total_seconds()) as row:
        row.state, row.until = State.MOVING, until
        row.save(using=guarded.using)
    failpoints.reach("split.paused")
    return until


def lift(guarded: Guard) -> None:
    """End a write pause: the owner stays the owner."""
    with _changing(guarded, PATIENCE_SECONDS) as row:
        if row.owner == guarded.own:
            row.state, row.until = State.SETTLED, None
            row.save(using=guarded.using)


def take(guarded: Guard) -> bool:
    """Take the rows away from this side, while its pause lasts; False where it is over, for somebody may have written since."""
    with _changing(guarded, PATIENCE_SECONDS) as row:
        if row.owner != guarded.own or row.state != State.MOVING or row.until is None or row.until <= _now(guarded.using):
            return False
        row.owner, row.until = guarded.other, None  # still moving: until the other side knows, nobody is sent there
        row.save(using=guarded.using)
    failpoints.reach("split.taken")
    return True


def give(guarded: Guard, seconds: float | None = None) -> None:
    """Make this side the owner. Only after the other has been taken it."""
    with _changing(guarded, PATIENCE_SECONDS if seconds is None else min(seconds, PATIENCE_SECONDS)) as row:
        row.owner, row.state, row.until, row.since = guarded.own, State.SETTLED, None, timezone.now()
        row.save(using=guarded.using)
    failpoints.reach("split.given")


def take_back(guarded: Guard) -> None:
    """Make the side that the rows were taken from the owner again. Only where the other certainly was given nothing."""
    with _changing(guarded, PATIENCE_SECONDS) as row:
        row.owner, row.state, row.until = guarded.own, State.SETTLED, None
        row.save(using=guarded.using)


def settle(guarded: Guard) -> None:
    """The other side knows: from now on writers are sent there."""
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
    """The database's clock, at this moment and not at the transaction's beginning."""
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "postgresql":
            cursor.execute("SELECT clock_timestamp()")
            return cursor.fetchone()[0]  # type: ignore[no-any-return]
    return timezone.now()  # SQLite's clock is this machine's
