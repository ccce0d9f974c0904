"""Two writes that make repeated and reordered deliveries harmless: insert only new rows, and move a cache row only forward.

The writing statement compares the versions. So duplicate, late and obsolete events need no special case, and two workers that race
on one row end with the newest version.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, models

from messaging.database import engines
from messaging.database.columns import column, escaped, literal_of


@dataclass(frozen=True)
class Upserted:
    """The result of `upsert_newer`."""

    applied: frozenset[Any]  #: keys of the rows that were written, as they were given
    obsolete: int  #: number of given rows that weren't newer than the table's row


def insert_new(
    model: type[models.Model], rows: Sequence[Mapping[str, Any]], *, key: str, unique: Sequence[str] = (), using: str
) -> set[Any]:
    """Insert the rows that don't exist yet, in one statement. Returns the `key` of each inserted row.

    It waits for a transaction that is inserting one of them.

    Parameters
    ----------
    rows
        Dicts of field names to values, all with the same names.
    unique
        The unique fields that identify an existing row; by default `key`.
    """
    if not rows:
        return set()
    fields = _fields(model, rows)
    key_field = column(model, key)
    columns = ", ".join(_quoted(column(model, name), using) for name in unique or [key])
    conflict = f"ON CONFLICT ({columns}) DO NOTHING"
    written = _write(model, fields, rows, conflict, _quoted(key_field, using), using)
    return {key_field.to_python(value) for value in written}


def upsert_newer(
    model: type[models.Model],
    rows: Iterable[Mapping[str, Any]],
    *,
    version: str = "version",
    final: tuple[str, Any] | None = None,
    deleted: str = "",
    once: Sequence[str] = (),
    using: str,
) -> Upserted:
    """Insert rows, or update those with a lower version, in one statement. Of several rows for one key the newest counts.

    Parameters
    ----------
    rows
        Dicts of field names to values, all with the same names. The primary key and `version` are required. A UUID may be text.
    final
        The (field, value) of a row that stays as it is, as ("status", "erased") or ("active", False). A later row without that
        value only raises the version.
    deleted
        A boolean field. Where it is true the row was deleted, not erased, so a later row replaces it in spite of `final`.
    once
        Fields that are written to a new row only.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    key = column(model, "pk")
    spelled = _spelled_uuid if isinstance(key, models.UUIDField) else str
    ended: dict[str, Mapping[str, Any]] = {}  # final rows, which may not be the newest
    given = 0

    def ends(row: Mapping[str, Any]) -> bool:
        return final is not None and row[final[0]] == final[1] and not (deleted and row[deleted])

    for row in rows:
        given += 1
        known = newest.setdefault(spelled(row[key.name]), row)
        if row[version] > known[version]:
            newest[spelled(row[key.name])] = row
        if ends(row):
            ended[spelled(row[key.name])] = row
    if not newest:
        return Upserted(frozenset(), 0)
    newest.update({value: {**row, version: newest[value][version]} for value, row in ended.items() if not ends(newest[value])})
    # All workers write in the same order, so that two batches over the same rows can't deadlock.
    ordered = [newest[value] for value in sorted(newest)]
    fields = _fields(model, ordered)
    table, version_column = model._meta.db_table, _quoted(column(model, version), using)
    stays = _stays(table, final, deleted, model, using)
    assignments = [
        _assignment(field, table, stays if field.name != version else "", using)
        for field in fields
        if field is not key and field.name not in once
    ]
    conflict = (
        f"ON CONFLICT ({_quoted(key, using)}) DO UPDATE SET {', '.join(assignments)} "
        f'WHERE excluded.{version_column} > "{table}".{version_column}'
    )
    returned = f"CAST({_quoted(key, using)} AS text)"
    written = _write(model, fields, ordered, conflict, returned, using)
    applied = frozenset(newest[spelled(value)][key.name] for value in written)
    return Upserted(applied, given - len(applied))


def _spelled_uuid(value: Any) -> str:
    """A UUID in its canonical form. Most already have it, and parsing one takes ten times as long as this check."""
    text = str(value)
    return text.lower() if len(text) == 36 else str(uuid.UUID(text))


def _stays(table: str, final: tuple[str, Any] | None, deleted: str, model: type[models.Model], using: str) -> str:
    """The SQL condition that the table's row is final and the later one isn't."""
    if final is None:
        return ""
    field = column(model, final[0])
    value = escaped(literal_of(using, field, final[1]))

    def ended(row: str) -> str:
        says_so = f"{row}.{_quoted(field, using)} = {value}"
        return f"({says_so} AND NOT {row}.{_quoted(column(model, deleted), using)})" if deleted else says_so

    there = ended(f'"{table}"')
    return f"{there} AND NOT {ended('excluded')}"


def _assignment(field: "models.Field[Any, Any]", table: str, unless: str, using: str) -> str:
    name = _quoted(field, using)
    if unless:
        return f'{name} = CASE WHEN {unless} THEN "{table}".{name} ELSE excluded.{name} END'
    return f"{name} = excluded.{name}"


def _write(
    model: type[models.Model],
    fields: list["models.Field[Any, Any]"],
    rows: Sequence[Mapping[str, Any]],
    conflict: str,
    returning: str,
    using: str,
) -> list[Any]:
    connection = connections[using]
    source, parameters = engines.for_alias(using).values_source(fields, rows, connection)
    columns = ", ".join(_quoted(field, using) for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(f'INSERT INTO "{model._meta.db_table}" ({columns}) {source} {conflict} RETURNING {returning}', parameters)
        return [value for (value,) in cursor.fetchall()]


def _fields(model: type[models.Model], rows: Sequence[Mapping[str, Any]]) -> list["models.Field[Any, Any]"]:
    return [column(model, name) for name in rows[0]]


def _quoted(field: "models.Field[Any, Any]", using: str) -> str:
    return connections[using].ops.quote_name(str(field.column))
