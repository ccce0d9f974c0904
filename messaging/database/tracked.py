"""What the engines need to know of a tracked model."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import models

#: PostgreSQL cuts longer names off without an error, and two that were cut can be one.
LONGEST_NAME_BYTES = 63


def identifier(name: str) -> str:
    """A name for something in the database: as given, or beyond the longest with a hash of the whole name at its end."""
    plain = name.replace('"', "")
    if len(plain.encode()) <= LONGEST_NAME_BYTES:
        return plain
    return f"{plain.encode()[:46].decode(errors='ignore')}_{hashlib.sha256(plain.encode()).hexdigest()[:16]}"


def quoted_table(table: str) -> str:
    """A model's `db_table` as SQL. Both ways to name a schema there are known: `"schema"."table"` and `schema"."table`."""
    return table if table.startswith('"') and table.endswith('"') else f'"{table}"'


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Tracked:
    """A model with a ledger. `tombstone`: (field, value) that means erased, or None."""

    model: type[models.Model]
    tombstone: tuple[str, str] | None

    @property
    def label(self) -> str:
        """`users.user`"""
        return self.model._meta.label_lower

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def quoted(self) -> str:
        """The table as SQL."""
        return quoted_table(self.table)

    @property
    def trigger(self) -> str:
        """The name of its trigger; others of the same table begin with it."""
        return f"messaging_ledger_{self.table}"

    @property
    def key(self) -> "models.Field[Any, Any]":
        return self.model._meta.pk

    @property
    def key_column(self) -> str:
        return str(self.key.column)

    def tombstone_sql(self, row: str, never: str) -> str:
        """The SQL condition under which a row is a tombstone; `never` where the model knows no such state."""
        if self.tombstone is None:
            return never
        field, value = self.tombstone
        column = self.model._meta.get_field(field).column  # type: ignore[union-attr]  # a plain field, no reverse relation
        return f'({row}."{column}" = {literal(value)})'

    def erasure_sql(self, never: str) -> str:
        """The SQL condition under which an update erases. One of a tombstone is no erasure: a copy holds the tombstones of rows
        that were only deleted, too."""
        was_one = f'({self.tombstone_sql("OLD", never)} AND OLD."{self.key_column}" = NEW."{self.key_column}")'
        return f"({self.tombstone_sql('NEW', never)} AND NOT coalesce({was_one}, {never}))"


def gone_sql(tracked: Tracked) -> str:
    """Whether the feed's `gone` counts and not the row t of an entry l: `Feed.values` is the same rule."""
    says_so = f"coalesce({tracked.tombstone_sql('t', 'false')}, false)"
    return f'(t."{tracked.key_column}" IS NULL OR (l.deleted AND NOT {says_so}))'
