"""The key and the facts that are copied of a model's row, each with its type in an event and its column in the copy."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import models

from messaging.database.keys import kind_of_key, stored_field
from messaging.database.row_hash import kind_of_field

#: A fact's type in an event, by its kind.
TYPES: dict[str, type] = {"text": str, "number": int, "decimal": Decimal, "time": datetime, "date": date, "uuid": UUID}
#: A value of each kind for tests, as JSON has it.
VALUES = {
    "text": '"a"',
    "number": "1",
    "integer": "1",
    "decimal": '"1"',
    "time": '"2026-01-01T00:00:00Z"',
    "date": '"2026-01-01"',
    "uuid": '"00000000-0000-0000-0000-000000000001"',
}


@dataclass(frozen=True)
class Fact:
    """A fact about a row."""

    name: str  #: in the event and in the copy
    field: "models.Field[Any, Any]"  #: where it comes from
    nullable: bool
    source: str = ""  #: its field's name, if that is another one or has to be named in the feed

    @property
    def kind(self) -> str:
        return kind_of_field(self.field)

    @property
    def is_boolean(self) -> bool:
        return isinstance(stored_field(self.field), models.BooleanField)

    @property
    def value(self) -> str:
        """A value for tests, as code."""
        return "True" if self.is_boolean else VALUES[self.kind]

    @property
    def type(self) -> type:
        """Its type in the publisher's contract."""
        return bool if self.is_boolean else TYPES[self.kind]

    def annotation(self, *, reader: bool) -> str:
        """Its type as code: in the publisher's contract, or in the consumer's reader."""
        name = self.imported(reader=reader)[1]
        return f"{name} | None" if self.nullable else name

    def imported(self, *, reader: bool) -> tuple[str, str]:
        """The (module, name) of its type. A consumer reads a time in UTC."""
        return ("messaging.publisher", "Moment") if reader and self.kind == "time" else (self.type.__module__, self.type.__name__)

    def column(self) -> tuple[str, list[str]]:
        """The copy's field: its class, and its arguments as code."""
        name, arguments = column_of(self.field)
        return name, [*arguments, *(["null=True"] if self.nullable else [])]


def column_of(field: "models.Field[Any, Any]") -> tuple[str, list[str]]:
    """The class of a field with the same values, without what the authority alone enforces; and its arguments as code."""
    stored = stored_field(field)
    kind = kind_of_field(stored)
    if kind == "text":
        longest = stored.max_length if isinstance(stored, models.CharField) else None
        return ("TextField", []) if longest is None else ("CharField", [f"max_length={longest}"])
    if isinstance(stored, models.DecimalField):
        return "DecimalField", [f"max_digits={stored.max_digits}", f"decimal_places={stored.decimal_places}"]
    if isinstance(stored, models.BooleanField):
        return "BooleanField", []
    if kind == "number":
        size = next((size for size in ("Big", "Small") if size in stored.get_internal_type()), "")
        return f"{size}IntegerField", []
    return {"time": "DateTimeField", "date": "DateField", "uuid": "UUIDField"}[kind], []


def key_value(field: "models.Field[Any, Any]") -> str:
    """A key for tests, as code."""
    return VALUES[kind_of_key(field)]
