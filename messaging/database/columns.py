"""A row's values as SQL: its columns, and expressions over them.

The same SQL is in a feed's pages, in fingerprints and in triggers. So an expression has literals instead of parameters, as the
condition of a `CheckConstraint`, and it may only use the row's own columns.
"""

import sqlite3
from collections.abc import Iterator
from copy import copy
from functools import lru_cache
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldDoesNotExist, FieldError, FullResultSet
from django.db import connections, models
from django.db.models.expressions import BaseExpression, Col, RawSQL, Subquery, Window
from django.db.models.sql import Query
from django.db.models.sql.datastructures import BaseTable

#: The name of a field, or an expression over fields.
Source = str | BaseExpression | models.F | models.Q


@lru_cache(maxsize=1024)
def column(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    """A model's field by name or "pk". Raises `TypeError` if it has no column, or one of another table."""
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    if not isinstance(field, models.Field) or field.column is None:
        raise TypeError(f"{model._meta.label}.{name} has no column in the table.")
    if field not in model._meta.concrete_model._meta.local_concrete_fields:  # type: ignore[union-attr]
        raise TypeError(f"{model._meta.label}.{name} is a column of another table, {field.model._meta.db_table}.")
    return field


def field_of(model: type[models.Model], source: Source) -> "models.Field[Any, Any]":
    """The field of a source: its type, and if it may be NULL. Raises as `column`, or `FieldError`."""
    if isinstance(source, str):
        return column(model, source)
    if isinstance(source, models.Q):
        return models.BooleanField(null=True)
    field: models.Field[Any, Any] = copy(_resolved(model, source, "t")[1].output_field)
    field.null = True
    return field


def fields_of(model: type[models.Model], source: Source) -> "set[models.Field[Any, Any]]":
    """The fields that a source reads. Raises as `field_of`."""
    if isinstance(source, str):
        return {column(model, source)}
    return {part.target for part in _parts(_resolved(model, source, "t")[1]) if isinstance(part, Col)}


@lru_cache(maxsize=1024)
def sql_of(using: str, model: type[models.Model], source: Source, row: str) -> str:
    """The SQL of a source, for a row with this alias: `t`, `NEW`. It has no parameters, and a percent sign is one character."""
    if isinstance(source, str):
        return f'{row}."{column(model, source).column}"'
    query, resolved = _resolved(model, source, row)
    connection = connections[using]
    try:
        sql, parameters = query.get_compiler(connection=connection).compile(resolved)
    except EmptyResultSet:  # a condition that no row meets, as Q(pk__in=[])
        return "false"
    except FullResultSet:
        return "true"
    literals = connection.SchemaEditorClass(connection)  # type: ignore[misc]  # every backend has one
    return f"({sql % tuple(literals.quote_value(value) for value in parameters)})"


def literal_of(using: str, field: "models.Field[Any, Any]", value: Any) -> str:
    """A value of a field as an SQL literal."""
    connection = connections[using]
    literals = connection.SchemaEditorClass(connection)  # type: ignore[misc]  # every backend has one
    return str(literals.quote_value(field.get_db_prep_value(value, connection)))


def escaped(sql: str) -> str:
    """SQL for a statement with parameters, where a percent sign is doubled."""
    return sql.replace("%", "%%")


def refusals(using: str, model: type[models.Model], source: Source) -> Iterator[str]:
    """Why a source can't be used, as ends of sentences."""
    try:
        resolved = None if isinstance(source, str) else _resolved(model, source, "t")[1]
        field_of(model, source)
    except FieldError as error:
        joins = "Joined field references" in str(error)
        yield "uses a column of another table, which no trigger on this one sees" if joins else f"can't be resolved: {error}"
        return
    except (FieldDoesNotExist, TypeError) as error:
        yield f"can't be resolved: {error}"
        return
    found = {reason for part in _parts(resolved) if (reason := _refusal(model, part))}
    yield from sorted(found)
    if not found and resolved is not None and connections[using].vendor == "sqlite":
        yield from _unknown_to_sqlite(model, sql_of(using, model, source, "t"))


def _refusal(model: type[models.Model], part: Any) -> str:
    if isinstance(part, Subquery | Query):
        return "has a subquery, and no trigger on this table sees a change of other rows"
    if isinstance(part, RawSQL):
        return "has raw SQL, whose columns can't be told apart from a trigger's"
    if isinstance(part, models.Aggregate | Window):
        return "has an aggregate or a window, which needs other rows"
    if isinstance(part, Col) and part.target not in model._meta.concrete_model._meta.local_concrete_fields:  # type: ignore[union-attr]
        return "uses a column of another table, which no trigger on this one sees"
    if isinstance(part, models.Func) and not part.get_source_expressions():
        return f"has {type(part).__name__}(), whose value doesn't come from the row and changes by itself"
    return ""


def _parts(node: Any) -> Iterator[Any]:
    """An expression or condition with all its parts."""
    yield node
    inner = list(getattr(node, "children", ()))
    if hasattr(node, "get_source_expressions"):
        inner += node.get_source_expressions()
    inner += [getattr(node, "rhs", None)]
    for part in inner:
        if isinstance(part, Query) or hasattr(part, "get_source_expressions") or hasattr(part, "children"):
            yield from _parts(part)


def _resolved(model: type[models.Model], source: Any, row: str) -> tuple[Query, Any]:
    query = Query(model)
    query.alias_map, query.alias_refcount = {row: BaseTable(model._meta.db_table, row)}, {row: 1}  # type: ignore[dict-item]
    if isinstance(source, models.Q):
        return query, query.build_where(source)
    return query, source.resolve_expression(query, allow_joins=False)


def _unknown_to_sqlite(model: type[models.Model], sql: str) -> Iterator[str]:
    """Django adds functions to its SQLite connections. A trigger with one would fail in every other program."""
    names = ", ".join(f'"{field.column}"' for field in model._meta.concrete_model._meta.local_concrete_fields)  # type: ignore[union-attr]
    plain = sqlite3.connect(":memory:")
    try:
        plain.execute(f"CREATE TABLE t ({names})")
        plain.execute(f"EXPLAIN SELECT {sql} FROM t")
    except sqlite3.OperationalError as error:
        yield f"needs what only Django's connections have on SQLite, so other programs couldn't write: {error}"
    finally:
        plain.close()
