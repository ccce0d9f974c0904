"""The guard on a model's table, in each database's SQL. It is a trigger that lets only the owner and a copying follower write.

The trigger reads the model's row of `messaging_ownership`. A change of that row must wait for writers in flight, and let no new one
pass: on PostgreSQL by the lock that the trigger takes, on SQLite because it has one writer at a time.
"""

import hashlib
from dataclasses import dataclass

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from messaging.database.engines import postgresql, sqlite
from messaging.database.tracked import identifier, literal, quoted_table
from messaging.database.vendors import by_vendor
from messaging.settings import Alias

#: The beginning of every refusal, by which `messaging.ownership.ownership` recognizes it. Triggers of older releases use it too.
MARK = "messaging.ownership:"
#: A follower sets this on its PostgreSQL transaction, to the model it copies. Triggers of older releases read it too.
FOLLOWING = "messaging.following"
#: The end of a refusal during a hand-over.
TRY_AGAIN = "try again in a moment."
#: The beginning of the names of guards.
PREFIX = "messaging_guard_"


@dataclass(frozen=True)
class Guard:
    """A guard on one model's table in one of the two contexts of a split."""

    label: str
    table: str
    using: Alias
    own: str  #: the context of this table
    other: str  #: the context that the rows move to, or came from

    @property
    def name(self) -> str:
        return identifier(f"{PREFIX}{self.table}")

    @property
    def quoted(self) -> str:
        """The table, quoted for SQL."""
        return quoted_table(self.table)

    @property
    def moving(self) -> str:
        return f"{MARK} {self.label} is being handed over between {self.own} and {self.other}: {TRY_AGAIN}"

    @property
    def moved(self) -> str:
        return f"{MARK} {self.label} belongs to {self.other}: write there."


class PostgreSQL:
    def install(self, connection: BaseDatabaseWrapper, guard: Guard) -> None:
        """Install the guard on the table. Waits for writers in flight, so limit that (`messaging.database.lock_waits`)."""
        ownership = postgresql.qualified(connection, "messaging_ownership")
        function = f'{ownership.removesuffix(".messaging_ownership")}."{guard.name}"'
        with connection.cursor() as cursor:
            # The advisory lock: a hand-over waits until this writer has committed, and the next writer waits for the hand-over.
            # FOR SHARE: the writer sees the row as the last hand-over left it, whatever its own snapshot says. The trigger is FOR
            # EACH STATEMENT, so it costs one look-up a statement.
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
        """Wait for writers in flight, then block all writers of the guarded table until the transaction ends. Raises
        `OperationalError` if the wait is longer than `seconds`. A row lock can't do it: new share locks would pass it for ever,
        where an advisory lock queues. A lock on `messaging_ownership` would block writers of other models too."""
        self.wait_for(using, seconds)
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_number(label)])

    def wait_for(self, using: str, seconds: float) -> None:
        """Limit how long this transaction waits for a lock."""
        postgresql.wait_at_most(connections[using], seconds)

    def follow(self, using: str, label: str) -> None:
        """Let this transaction write as the follower. The owner can't change until the transaction ends."""
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_number(label)])
            cursor.execute("SELECT 1 FROM messaging_ownership WHERE aggregate = %s FOR SHARE", [label])
            # A setting of the transaction, not a column: an update would lock the ownership's row, and could deadlock with a
            # refused writer that holds one of the follower's rows and waits for that lock.
            cursor.execute("SELECT set_config(%s, %s, true)", [FOLLOWING, label])

    def unfollow(self, using: str, label: str) -> None:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT set_config(%s, '', true)", [FOLLOWING])


def _number(label: str) -> int:
    """The number of the advisory lock for a model's ownership."""
    return int.from_bytes(hashlib.sha256(f"{MARK}{label}".encode()).digest()[:8], "big", signed=True)


class SQLite:
    #: The time in Django's format.
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
        """Nothing to do: the transaction is immediate, so it has the write lock already."""

    def wait_for(self, using: str, seconds: float) -> None:
        """Nothing to do: the connection's own timeout limits the wait."""

    def follow(self, using: str, label: str) -> None:
        self._mark(using, label, 1)

    def unfollow(self, using: str, label: str) -> None:
        self._mark(using, label, 0)

    def _mark(self, using: str, label: str, value: int) -> None:
        """Set the flag in the row itself: this transaction resets it before others can read it."""
        with connections[using].cursor() as cursor:
            cursor.execute("UPDATE messaging_ownership SET following = %s WHERE aggregate = %s", [value, label])


_ENGINES: dict[str, PostgreSQL | SQLite] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}


def for_alias(using: str) -> PostgreSQL | SQLite:
    """The guard's implementation for the database behind an alias."""
    return by_vendor(using, _ENGINES)
