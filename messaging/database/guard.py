"""The guard on a model's table, as each database writes it: only the owner's writes pass, and those of a follower's copying.

A trigger asks the model's row of `messaging_ownership`. Whoever changes that row has to see the writers out that passed already,
and let none pass meanwhile: PostgreSQL by the lock that the trigger takes, SQLite because it has one writer at a time.
"""

import hashlib
from dataclasses import dataclass

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from messaging.database.engines import postgresql, sqlite
from messaging.database.tracked import identifier, literal, quoted_table
from messaging.database.vendors import by_vendor
from messaging.settings import Alias

#: What a refusal begins with; `messaging.ownership.ownership` knows it by that. Triggers of every release say it.
MARK = "messaging.ownership:"
#: The setting of a transaction of PostgreSQL by which a follower says whose rows it copies. Triggers of every release ask for it.
FOLLOWING = "messaging.following"
#: What one ends with where the rows are being handed over.
TRY_AGAIN = "try again in a moment."
#: What the names of guards begin with.
PREFIX = "messaging_guard_"


@dataclass(frozen=True)
class Guard:
    """A guard on the table of the model `label`, in the database `using` of the context `own`; `other` is the context where it
    moves, or came from."""

    label: str
    table: str
    using: Alias
    own: str
    other: str

    @property
    def name(self) -> str:
        return identifier(f"{PREFIX}{self.table}")

    @property
    def quoted(self) -> str:
        """The table as SQL."""
        return quoted_table(self.table)

    @property
    def moving(self) -> str:
        return f"{MARK} {self.label} is being handed over between {self.own} and {self.other}: {TRY_AGAIN}"

    @property
    def moved(self) -> str:
        return f"{MARK} {self.label} belongs to {self.other}: write there."


class PostgreSQL:
    def install(self, connection: BaseDatabaseWrapper, guard: Guard) -> None:
        """Put the guard on the table. Waits for the writers in flight: their rows were written while anybody might."""
        ownership = postgresql.qualified(connection, "messaging_ownership")
        function = f'{ownership.removesuffix(".messaging_ownership")}."{guard.name}"'
        with connection.cursor() as cursor:
            # The advisory lock: a hand-over waits until this writer has committed, and the next writer waits behind the hand-over.
            # FOR SHARE: this writer reads the row as the hand-over before it left it, whatever its own snapshot says. A statement's
            # trigger, so it costs one look a statement.
            postgresql.create_function(
                connection,
                function,
                f"""
                DECLARE o record;
                BEGIN
                    PERFORM pg_advisory_xact_lock_shared({_number(guard.label)});
                    SELECT owner, state, until INTO o FROM {ownership} WHERE aggregate = {literal(guard.label)} FOR SHARE;
                    IF NOT FOUND THEN RETURN NULL; END IF;
                    IF coalesce(current_setting('{FOLLOWING}', true), '') = {literal(guard.label)} THEN
                        IF o.owner <> {literal(guard.own)} THEN RETURN NULL; END IF;
                    ELSIF o.owner = {literal(guard.own)} AND (o.state = 'settled' OR o.until <= clock_timestamp()) THEN
                        RETURN NULL;
                    END IF;
                    IF o.state = 'moving' THEN
                        RAISE EXCEPTION {literal(guard.moving)} USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RAISE EXCEPTION {literal(guard.moved)} USING ERRCODE = 'integrity_constraint_violation';
                END """,
            )
            cursor.execute(
                f'CREATE OR REPLACE TRIGGER "{guard.name}" BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {guard.quoted} '
                f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            )
        postgresql.drop_other_triggers(connection, guard.table, PREFIX, [guard.name])

    def remove(self, connection: BaseDatabaseWrapper, guard: Guard) -> None:
        postgresql.drop_other_triggers(connection, guard.table, PREFIX, [])

    def there(self, connection: BaseDatabaseWrapper, guard: Guard) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_trigger WHERE tgname = %s AND tgrelid = to_regclass(%s)", [guard.name, guard.quoted])
            return cursor.fetchone() is not None

    def lock(self, using: str, label: str, seconds: float) -> None:
        """Keep every writer of the guarded table out until the transaction ends, when those in flight are through;
        `OperationalError` if they take longer. Not a lock on the row: share locks on a row let each other pass for ever, and here
        a queue forms. Nor on the table of all rows: writers of what moves elsewhere have nothing to do with it."""
        self.wait_for(using, seconds)
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_number(label)])

    def wait_for(self, using: str, seconds: float) -> None:
        """From here to the transaction's end wait for a lock no longer than that."""
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{max(1, int(seconds * 1000))}ms"])

    def follow(self, using: str, label: str) -> None:
        """Let this transaction write as the follower. The owner can't change until it ends."""
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_number(label)])
            cursor.execute("SELECT 1 FROM messaging_ownership WHERE aggregate = %s FOR SHARE", [label])
            # Bound to the transaction. A mark in the ownership's row would lock it, and a refused writer that holds one of the
            # follower's rows and waits for that lock would be a deadlock.
            cursor.execute("SELECT set_config(%s, %s, true)", [FOLLOWING, label])

    def unfollow(self, using: str, label: str) -> None:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT set_config(%s, '', true)", [FOLLOWING])


def _number(label: str) -> int:
    """The advisory lock of a model's ownership."""
    return int.from_bytes(hashlib.sha256(f"{MARK}{label}".encode()).digest()[:8], "big", signed=True)


class SQLite:
    #: As Django writes times there.
    now = "strftime('%Y-%m-%d %H:%M:%f', 'now')"

    def install(self, connection: BaseDatabaseWrapper, guard: Guard) -> None:
        self.remove(connection, guard)
        with connection.cursor() as cursor:
            for event in ("INSERT", "UPDATE", "DELETE"):
                cursor.execute(f"""
                    CREATE TRIGGER "{identifier(f"{PREFIX}{guard.table}_{event.lower()}")}" BEFORE {event} ON {guard.quoted} BEGIN
                        SELECT CASE WHEN state = 'moving' THEN RAISE(ABORT, {literal(guard.moving)})
                            ELSE RAISE(ABORT, {literal(guard.moved)}) END
                        FROM messaging_ownership WHERE aggregate = {literal(guard.label)} AND CASE
                            WHEN following THEN owner = {literal(guard.own)}
                            ELSE owner <> {literal(guard.own)} OR (state = 'moving' AND coalesce(until > {self.now}, true)) END;
                    END""")

    def remove(self, connection: BaseDatabaseWrapper, guard: Guard) -> None:
        sqlite.drop_triggers(connection, guard.table, PREFIX)

    def there(self, connection: BaseDatabaseWrapper, guard: Guard) -> bool:
        return len(sqlite.triggers(connection, guard.table, PREFIX)) == 3

    def lock(self, using: str, label: str, seconds: float) -> None:
        """The transaction is immediate, so it has the only write lock already."""

    def wait_for(self, using: str, seconds: float) -> None:
        """How long a connection waits for the write lock is its own setting."""

    def follow(self, using: str, label: str) -> None:
        self._mark(using, label, 1)

    def unfollow(self, using: str, label: str) -> None:
        self._mark(using, label, 0)

    def _mark(self, using: str, label: str, value: int) -> None:
        """In the row itself: nobody else reads it before this transaction has taken it back."""
        with connections[using].cursor() as cursor:
            cursor.execute("UPDATE messaging_ownership SET following = %s WHERE aggregate = %s", [value, label])


_ENGINES: dict[str, PostgreSQL | SQLite] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}


def for_alias(using: str) -> PostgreSQL | SQLite:
    """The guard's SQL for the database behind an alias."""
    return by_vendor(using, _ENGINES)
