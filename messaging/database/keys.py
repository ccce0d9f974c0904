"""An aggregate's key in SQL: its id as text, look-ups by an id, and ranges of ids.

Ids are ordered as text, byte by byte, in both databases and in Python. So a range of ids is the same set of aggregates for a
ledger, whose ids are text, and for a model's key of any kind. A range must also be a range of the key's index:

- UUIDs have the order of their text.
- Integers don't: 10 comes before 9. All numbers with the same number of digits do, so a range of ids is a range for each length.
- Texts have the order of their database's locale on PostgreSQL. The index that Django adds for `LIKE` has the order of bytes.
"""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import models

from messaging.database.vendors import by_vendor
from messaging.errors import UnusableKey
from messaging.events.contract import LARGEST_INTEGER

#: (SQL, parameters)
Condition = tuple[str, list[Any]]
#: Characters of the longest id.
LONGEST_ID: Final = 100
UUID_LENGTH: Final = 36
#: Added to a text, it makes the next one: no text has the character before, NUL.
AFTER: Final = "\x01"
#: PostgreSQL walks along an array of texts up to the right one. From so many bounds on, a binary search is faster.
WALKED_BOUNDS: Final = 64
#: Digits of the longest integer.
MOST_DIGITS: Final = len(str(LARGEST_INTEGER))


def stored_field(field: "models.Field[Any, Any]") -> "models.Field[Any, Any]":
    """The field whose type a field's column has: a foreign key's is its target's."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field


def kind_of_key(field: "models.Field[Any, Any]") -> str:
    """A key's kind: "uuid", "integer" or "text". Raises `UnusableKey`."""
    stored = stored_field(field)
    if isinstance(stored, models.UUIDField):
        return "uuid"
    if isinstance(stored, models.IntegerField):
        return "integer"
    if isinstance(stored, models.CharField) and stored.max_length is not None and stored.max_length <= LONGEST_ID:
        return "text"
    raise UnusableKey(
        f"{field.model._meta.label}.{field.name} is a {type(field).__name__}. A key is an integer, a UUID or a text of at most "
        f"{LONGEST_ID} characters."
    )


def text_of_bound(kind: str, bound: str) -> str | None:
    """The lowest id that a bound includes: a UUID's prefix is filled up with zeros. None if the bound is open."""
    if kind != "uuid" or not bound:
        return bound or None
    if len(bound) > UUID_LENGTH:  # right after a UUID, from a copy whose keys are texts
        return bound_after(kind, bound[:UUID_LENGTH]) or None
    # Without an object for each: a request has 25,000 bounds.
    digits = bound.replace("-", "").lower().ljust(32, "0")[:32]
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def bound_after(kind: str, key: str) -> str:
    """The lowest bound above an id; "" if there is none."""
    if kind == "uuid":
        number = uuid.UUID(key).int + 1
        return str(uuid.UUID(int=number)) if number < 2**128 else ""
    return key + ("0" if kind == "integer" else AFTER)


def spans(low: str | None, high: str | None) -> Iterator[tuple[int, int]]:
    """The (first, last) of the integers whose text is in [low, high), one for each sign and number of digits. None: no bound."""
    for sign in ("-", ""):
        for digits in range(1, MOST_DIGITS + 1):
            begin = _lowest(low or "", digits, sign)
            end = _lowest(high, digits, sign) if high else 10**digits
            end = min(end, LARGEST_INTEGER + (2 if sign else 1))
            if begin < end:
                yield (1 - end, -begin) if sign else (begin, end - 1)


def _lowest(bound: str, digits: int, sign: str) -> int:
    """The lowest number with so many digits whose text, with the sign, isn't below the bound."""
    lowest, beyond = int(10 ** (digits - 1)) if digits > 1 or sign else 0, int(10**digits)
    if not bound.startswith(sign):
        return lowest if bound < sign else beyond
    text = bound.removeprefix(sign)
    head = text[: min(digits, len(text) - len(text.lstrip("0123456789")))]
    number, rest = int(head.ljust(digits, "0")), text[len(head) :]
    if rest and (len(head) == digits or rest[0] > "9"):
        number += int(10 ** (digits - len(head)))  # all numbers with this head are below the bound
    return min(max(lowest, number), beyond)


class KeySql(ABC):
    """SQL for keys of one kind. `column` is a key's column, with its table's alias.

    The kind "id" is the ledger's own column, which is text in the order of bytes; `uuids`: every id in it is a UUID.
    """

    def __init__(self, kind: str, collation: str = "", *, uuids: bool = False) -> None:
        self.kind, self.collation, self.uuids = kind, collation, uuids

    @property
    def along_index(self) -> bool:
        """True if an index of the key has the order of ids."""
        return self.kind != "integer"

    @abstractmethod
    def spelled(self, column: str) -> str:
        """The key as text, as in the ledger."""

    @abstractmethod
    def matches(self, column: str, spelled: str) -> str:
        """The condition that the key is this id, in a form that uses the key's index."""

    @abstractmethod
    def ordered(self, column: str) -> str:
        """What to order by, for the order of ids."""

    def between(self, column: str, low: str | None, high: str | None) -> Condition:
        """The condition that the id is in [low, high); None is no bound."""
        if self.kind == "integer" and (low, high) != (None, None):
            ranges = [f"{column} BETWEEN {first} AND {last}" for first, last in spans(low, high)]
            return f"({' OR '.join(ranges)})" if ranges else "false", []
        return self._between(column, low, high)

    def within(self, column: str, low: str, high: str) -> str | None:
        """The condition that the id is in [low, high), for bounds that are columns, arrays' elements for example; None if the
        database can't look up a range for each row of another table."""
        return None

    @property
    def bound_type(self) -> str:
        """The column type of a bound for `within`."""
        return "uuid" if self.kind == "uuid" else "text"

    @abstractmethod
    def _between(self, column: str, low: str | None, high: str | None) -> Condition:
        """`between` for the other kinds."""

    @abstractmethod
    def part(self, column: str, bounds: Sequence[str]) -> Condition:
        """The number of bounds at or below the id."""


class PostgreSQL(KeySql):
    def spelled(self, column: str) -> str:
        return f"{column}::text" if self.kind == "uuid" else f'({column}::text COLLATE "C")'

    def matches(self, column: str, spelled: str) -> str:
        if self.kind == "text":  # the column's own collation is that of its index
            return f'{column} = {spelled} COLLATE "{self.collation or "default"}"'
        return f"{column} = {spelled}::{'uuid' if self.kind == 'uuid' else 'bigint'}"

    def ordered(self, column: str) -> str:
        return {"integer": self.spelled(column), "text": f"{column} USING ~<~"}.get(self.kind, column)

    def within(self, column: str, low: str, high: str) -> str | None:
        return None if self.kind == "integer" else f"{column} {self._above} {low} AND {column} {self._below} {high}"

    def _between(self, column: str, low: str | None, high: str | None) -> Condition:
        return _compared(column, self._above, low, self._below, high, uuid.UUID if self.kind == "uuid" else str)

    @property
    def _above(self) -> str:
        return "~>=~" if self.kind == "text" else ">="

    @property
    def _below(self) -> str:
        return "~<~" if self.kind == "text" else "<"

    def part(self, column: str, bounds: Sequence[str]) -> Condition:
        if not bounds:
            return "0", []
        if self.kind == "uuid" or self.uuids:
            return f"width_bucket({column}::uuid, %s::uuid[])", [f"{{{','.join(bounds)}}}"]
        if len(bounds) <= WALKED_BOUNDS:
            return f"width_bucket({self.spelled(column)}, %s::text[])", [list(bounds)]
        return _halved(self.spelled(column), bounds, 0)


class SQLite(KeySql):
    def spelled(self, column: str) -> str:
        """Django stores a UUID in SQLite without its dashes."""
        if self.kind == "uuid":
            return " || '-' || ".join(f"substr({column}, {start}, {size})" for start, size in _GROUPS)
        return f"CAST({column} AS TEXT)" if self.kind == "integer" else column

    def matches(self, column: str, spelled: str) -> str:
        forms = {
            "uuid": f"replace({spelled}, '-', '')",
            "integer": f"CAST({spelled} AS INTEGER)",
            "text": f"{spelled} COLLATE BINARY",
        }
        return f"{column} = {forms[self.kind]}"

    def ordered(self, column: str) -> str:
        return {"integer": self.spelled(column), "text": f"{column} COLLATE BINARY"}.get(self.kind, column)

    def _between(self, column: str, low: str | None, high: str | None) -> Condition:
        return _compared(self.ordered(column), ">=", low, "<", high, _stored if self.kind == "uuid" else str)

    def part(self, column: str, bounds: Sequence[str]) -> Condition:
        return _halved(self.ordered(column), [_stored(bound) if self.kind == "uuid" else bound for bound in bounds], 0)


#: (start, size) of the groups of a UUID's digits.
_GROUPS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def _stored(bound: str) -> str:
    return bound.replace("-", "")


def _compared(column: str, above: str, low: str | None, below: str, high: str | None, given: Any) -> Condition:
    bounds = [(above, low)] * (low is not None) + [(below, high)] * (high is not None)
    return " AND ".join(f"{column} {sign} %s" for sign, _ in bounds) or "true", [given(bound) for _, bound in bounds]


def _halved(column: str, bounds: Sequence[str], before: int) -> Condition:
    """`before` plus the number of bounds at or below the column, by binary search: a thousand bounds cost ten comparisons a row."""
    if not bounds:
        return str(before), []
    middle = len(bounds) // 2
    below, first = _halved(column, bounds[:middle], before)
    above, second = _halved(column, bounds[middle + 1 :], before + middle + 1)
    return f"CASE WHEN {column} < %s THEN {below} ELSE {above} END", [bounds[middle], *first, *second]


_BY_VENDOR: dict[str, type[KeySql]] = {"postgresql": PostgreSQL, "sqlite": SQLite}


def key_sql(using: str, field: "models.Field[Any, Any]") -> KeySql:
    """The SQL for a key in the database behind an alias. Raises `UnusableKey`."""
    return by_vendor(using, _BY_VENDOR)(kind_of_key(field), getattr(stored_field(field), "db_collation", None) or "")


def id_sql(using: str, field: "models.Field[Any, Any]") -> KeySql:
    """The SQL for the ledger's ids of rows with this key, in the database behind an alias."""
    return by_vendor(using, _BY_VENDOR)("id", uuids=kind_of_key(field) == "uuid")
