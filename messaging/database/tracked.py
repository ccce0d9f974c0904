"""A tracked model, and the SQL that both engines derive from it."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import models

from messaging.database.columns import column, sql_of

#: PostgreSQL truncates longer names without an error, and two truncated names can be equal.
LONGEST_NAME_BYTES = 63


def identifier(name: str) -> str:
    """A database object's name: as given, or truncated with a hash of the whole name at its end."""
    plain = name.replace('"', "")
    if len(plain.encode()) <= LONGEST_NAME_BYTES:
        return plain
    return f"{plain.encode()[:46].decode(errors='ignore')}_{hashlib.sha256(plain.encode()).hexdigest()[:16]}"


def quoted_table(table: str) -> str:
    """A model's `db_table`, quoted for SQL. It may name a schema in two ways: `"schema"."table"` and `schema"."table`."""
    return table if table.startswith('"') and table.endswith('"') else f'"{table}"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


#: What makes a row an erased one: (field, value), or a condition on its own columns.
Tombstone = tuple[str, Any] | models.Q | None


@dataclass(frozen=True)
class Tracked:
    """A model with a ledger."""

    model: type[models.Model]
    tombstone: Tombstone = None
    aggregate: str = ""  #: its name in the ledger and in events' types: `users.user`, the model's label by default
    key_name: str = "pk"  #: the unique field that is the aggregate's id
    ignored: tuple[str, ...] = ()  #: fields whose change alone is no change

    def __post_init__(self) -> None:
        if not self.aggregate:
            object.__setattr__(self, "aggregate", self.model._meta.label_lower)

    @property
    def context(self) -> str:
        """The context that the aggregate belongs to."""
        return self.aggregate.partition(".")[0]

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def quoted(self) -> str:
        """The table, quoted for SQL."""
        return quoted_table(self.table)

    @property
    def trigger(self) -> str:
        """The beginning of its triggers' names."""
        return f"messaging_ledger_{self.table}"

    @property
    def key(self) -> "models.Field[Any, Any]":
        return column(self.model, self.key_name)

    @property
    def key_column(self) -> str:
        return str(self.key.column)

    @property
    def ignored_columns(self) -> list[str]:
        return [str(column(self.model, name).column) for name in self.ignored]

    @property
    def tombstone_condition(self) -> models.Q | None:
        """The condition that a row is a tombstone; None if the model has no such state."""
        return models.Q(**dict([self.tombstone])) if isinstance(self.tombstone, tuple) else self.tombstone

    def tombstone_sql(self, using: str, row: str) -> str:
        """The SQL condition that a row is a tombstone. It is never NULL: a trigger writes it into the ledger."""
        condition = self.tombstone_condition
        return "false" if condition is None else f"coalesce({sql_of(using, self.model, condition, row)}, false)"

    def erasure_sql(self, using: str) -> str:
        """The SQL condition that an insert or update erases. An update of a tombstone doesn't: a copy also has tombstones of rows
        that were only deleted."""
        was_one = f'({self.tombstone_sql(using, "OLD")} AND OLD."{self.key_column}" = NEW."{self.key_column}")'
        return f"({self.tombstone_sql(using, 'NEW')} AND NOT coalesce({was_one}, false))"


def gone_sql(using: str, tracked: Tracked) -> str:
    """The SQL condition that the feed shows `Feed.gone` for an entry l, not its row t."""
    return f'(t."{tracked.key_column}" IS NULL OR (l.deleted AND NOT {tracked.tombstone_sql(using, "t")}))'
