"""What the engines need to know of a tracked model."""

from dataclasses import dataclass
from typing import Any

from django.db import models


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
        quoted = value.replace("'", "''")
        return f"({row}.\"{column}\" = '{quoted}')"
