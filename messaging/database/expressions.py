"""SQL expressions for a row, in each database's dialect: as text to hash, and as JSON.

The kinds of columns are those of `row_hash.kind_of_field`. The JSON is the same that Python makes of the row.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connections, models, transaction
from pydantic_core import to_json

from messaging.database import row_hash
from messaging.database.keys import stored_field
from messaging.database.tracked import literal
from messaging.database.vendors import by_vendor

_PLANNING = ", ".join(
    f"set_config('{name}', '{value}', true)"
    for name, value in {"enable_sort": "off", "parallel_tuple_cost": "0", "work_mem": "128MB", "jit": "off"}.items()
)


class PostgreSQL:
    xor = "bit_xor"
    #: The most parts of a statement. Each bound may be two parameters, and the protocol has at most 65,535.
    most_parts = 30_000
    #: The most ranges of a statement. The planner looks at each.
    most_ranges = 200

    @contextmanager
    def ready(self, using: str) -> Iterator[None]:
        """Set the planner's options for the statements inside, until the transaction ends. The planner expects as many groups as
        there are rows, where there are sixteen. It would sort them, or use one processor only (measured on a million rows: 2.7 s
        without these options, 1.4 s with them). `work_mem` is only an upper limit. JIT costs more than it saves here."""
        with transaction.atomic(using=using):
            with connections[using].cursor() as cursor:
                cursor.execute(f"SELECT {_PLANNING}")
            yield

    def register_functions(self, using: str) -> None:
        """Nothing to do: PostgreSQL has all functions."""

    def looked_up(self, table: str, matches: str) -> str:
        """A join of a few ledger entries with the table's rows (alias t), by the key's index. With a plain join the planner reads
        the whole table for a page of 5,000 (measured on 100,000 users: four times as long)."""
        return f"LEFT JOIN LATERAL (SELECT * FROM {table} t WHERE {matches} LIMIT 1) t ON true"

    def time(self, column: str) -> str:
        return f"encode(timestamptz_send({column}), 'hex')"

    def word(self, field: "models.Field[Any, Any]", column: str) -> str:
        forms = {
            "time": self.time(column),
            "date": f"to_char({column}, 'YYYY-MM-DD')",
            "decimal": f"trim_scale({_rounded(field, column)})::text",
            "number": f"{column}::int::text" if isinstance(field, models.BooleanField) else f"{column}::text",
            "uuid": f"{column}::text",
            "text": f"length({column}) || ':' || {column}",
        }
        text = forms[row_hash.kind_of_field(field)]
        return f"coalesce({text}, '{row_hash.NULL}')" if field.null else text

    def json(self, field: "models.Field[Any, Any]", column: str) -> str:
        """The column as a value of `json_object`. A decimal is a text, because readers of JSON take numbers for floats."""
        return f"{_rounded(field, column)}::text" if row_hash.kind_of_field(field) == "decimal" else column

    def json_boolean(self, condition: str) -> str:
        return f"({condition})"

    def json_literal(self, value: Any) -> str:
        return f"{_quoted(value)}::json"

    def json_object(self, pairs: Mapping[str, str]) -> str:
        """A JSON object; `pairs` maps names to the SQL of their values."""
        return f"json_build_object({_arguments(pairs)})"

    def json_either(self, condition: str, then: str, otherwise: str) -> str:
        return f"CASE WHEN {condition} THEN {then} ELSE {otherwise} END"

    def hash(self, first: str, *words: str) -> str:
        """A 64-bit hash. `first` is a literal that separates one use from another."""
        return f"('x' || md5('{first} ' || {' || chr(32) || '.join(words)}))::bit(64)::bigint"

    def quick_hash(self, text: str, flag: str) -> str | None:
        """A 64-bit hash that only this database computes, ten times as fast as `hash`; None if there is none."""
        return f"hashtextextended({text}, ({flag})::int)"


class SQLite:
    xor = "messaging_xor"
    #: The most parts of a statement. Its parameters and its length are limited (https://www.sqlite.org/limits.html).
    most_parts = 2_000
    #: The most ranges of a statement: it would remember each row that it reads.
    most_ranges = 1

    @contextmanager
    def ready(self, using: str) -> Iterator[None]:
        self.register_functions(using)
        yield

    def register_functions(self, using: str) -> None:
        """Register the functions that SQLite lacks with the connection."""
        connection = connections[using]
        connection.ensure_connection()
        raw: Any = connection.connection
        functions: dict[str, tuple[int, Callable[..., Any]]] = {
            "messaging_hash": (-1, row_hash.signed_hash),
            "messaging_uuid": (1, _dashes),
            "messaging_moment": (1, _as_json_has_it),
            "messaging_rounded": (2, row_hash.rounded),
            **{f"messaging_{name}": (1, _worded(name)) for name in ("time", "date", "number", "decimal", "text")},
        }
        for name, (number, function) in functions.items():
            raw.create_function(name, number, function, deterministic=True)
        raw.create_aggregate("messaging_xor", 1, _Xor)

    def looked_up(self, table: str, matches: str) -> str:
        return f"LEFT JOIN {table} t ON {matches}"

    def time(self, column: str) -> str:
        return f"messaging_time({column})"

    def word(self, field: "models.Field[Any, Any]", column: str) -> str:
        kind = row_hash.kind_of_field(field)
        return f"messaging_{kind}({self.json(field, column) if kind == 'decimal' else column})"

    def json(self, field: "models.Field[Any, Any]", column: str) -> str:
        if isinstance(field, models.BooleanField):
            return self.json_boolean(column)
        kind = row_hash.kind_of_field(field)
        if kind == "decimal":
            return f"messaging_rounded({column}, {_places(field)})"
        forms = {"time": f"messaging_moment({column})", "uuid": f"nullif(messaging_uuid({column}), '{row_hash.NULL}')"}
        return forms.get(kind, column)

    def json_boolean(self, condition: str) -> str:
        return f"json(CASE ({condition}) WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)"

    def json_literal(self, value: Any) -> str:
        return f"json({_quoted(value)})"

    def json_object(self, pairs: Mapping[str, str]) -> str:
        return f"json_object({_arguments(pairs)})"

    def json_either(self, condition: str, then: str, otherwise: str) -> str:
        return f"json(CASE WHEN {condition} THEN {then} ELSE {otherwise} END)"

    def hash(self, first: str, *words: str) -> str:
        return f"messaging_hash('{first}', {', '.join(words)})"

    def quick_hash(self, text: str, flag: str) -> str | None:
        return None


def _places(field: "models.Field[Any, Any]") -> int:
    return int(stored_field(field).decimal_places)  # type: ignore[attr-defined]  # only for decimals


def _rounded(field: "models.Field[Any, Any]", column: str) -> str:
    return f"round({column}::numeric, {_places(field)})" if row_hash.kind_of_field(field) == "decimal" else column


def _quoted(value: Any) -> str:
    """A value as an SQL literal of its JSON."""
    return literal(to_json(value).decode())


def _arguments(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"'{name}', {value}" for name, value in pairs.items())


def _dashes(text: str | None) -> str:
    return row_hash.NULL if text is None else str(uuid.UUID(text)) if len(text) == 32 else text


def _as_json_has_it(value: Any) -> str | None:
    """A time as ISO 8601. Text that isn't a time stays as it is."""
    try:
        return None if value is None else row_hash.moment(value).isoformat()
    except ValueError:
        return str(value)


def _worded(name: str) -> Callable[[Any], str]:
    return lambda value: row_hash.word(name, value)


class _Xor:
    """An XOR aggregate, which SQLite lacks."""

    def __init__(self) -> None:
        self.value = 0

    def step(self, value: int) -> None:
        self.value ^= value

    def finalize(self) -> int:
        return self.value


_DIALECTS: dict[str, PostgreSQL | SQLite] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}


def dialect(using: str) -> PostgreSQL | SQLite:
    """The dialect of the database behind an alias."""
    return by_vendor(using, _DIALECTS)
