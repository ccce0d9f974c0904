"""A tracked model, and the SQL that both engines derive from it."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import models

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


@dataclass(frozen=True)
class Tracked:
    """A model with a ledger."""

    model: type[models.Model]
    tombstone: tuple[str, str] | None  #: the (field, value) that means erased

    @property
    def label(self) -> str:
        """`users.user`"""
        return self.model._meta.label_lower

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
        return self.model._meta.pk

    @property
    def key_column(self) -> str:
        return str(self.key.column)

    def tombstone_sql(self, row: str, never: str) -> str:
        """The SQL condition that a row is a tombstone; `never` if the model has no such state."""
        if self.tombstone is None:
            return never
        field, value = self.tombstone
        column = self.model._meta.get_field(field).column  # type: ignore[union-attr]  # a plain field, no reverse relation
        return f'({row}."{column}" = {literal(value)})'

    def erasure_sql(self, never: str) -> str:
        """The SQL condition that an insert or update erases. An update of a tombstone doesn't: a copy also has tombstones of rows
        that were only deleted."""
        was_one = f'({self.tombstone_sql("OLD", never)} AND OLD."{self.key_column}" = NEW."{self.key_column}")'
        return f"({self.tombstone_sql('NEW', never)} AND NOT coalesce({was_one}, {never}))"


def gone_sql(tracked: Tracked) -> str:
    """The SQL condition that the feed shows `Feed.gone` for an entry l, not its row t. `Feed.values` has the same rule."""
    says_so = f"coalesce({tracked.tombstone_sql('t', 'false')}, false)"
    return f'(t."{tracked.key_column}" IS NULL OR (l.deleted AND NOT {says_so}))'
