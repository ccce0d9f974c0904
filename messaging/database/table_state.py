"""What tracked tables are in their database, and which of their triggers aren't as `migrate` would install them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from django.db import connections

from messaging.database.engines import postgresql, sqlite
from messaging.database.tracked import Tracked
from messaging.database.vendors import by_vendor

PREFIX = "messaging_ledger_"


class Kind(StrEnum):
    """What a database has under a table's name."""

    TABLE = "table"
    PARTITIONED = "partitioned table"
    VIEW = "view"
    FOREIGN = "foreign table"
    VIRTUAL = "virtual table"


@dataclass(frozen=True)
class TableState:
    """A tracked table and its triggers."""

    kind: Kind | None  #: None: the database has no such table
    #: A trigger is missing or disabled, on the table or on one of its partitions.
    missing: bool
    #: The triggers that count something else than `migrate` would let them count now: their definition differs from the one of this
    #: release and this declaration, or they are left over from an earlier name of the table.
    stale: tuple[str, ...]


def states(using: str, tables: Sequence[Tracked]) -> Mapping[str, TableState]:
    """Return the state of each of these tables, by its aggregate; nothing if the database lacks the ledger. Reads only the catalog,
    on PostgreSQL in one query. Call it only for declarations that a trigger can be made of."""
    return by_vendor(using, {"postgresql": _postgresql, "sqlite": _sqlite})(using, tables)


#: Kinds by `pg_class.relkind`.
KINDS = {"r": Kind.TABLE, "p": Kind.PARTITIONED, "v": Kind.VIEW, "m": Kind.VIEW, "f": Kind.FOREIGN}


class _Row(NamedTuple):
    """A wanted table and one of its triggers. Without a table or a trigger, the values after it are None."""

    number: int  #: of the table, from 1 on
    relkind: str | None
    table: str | None  #: with its schema
    ledger: str  #: the ledger with its schema
    name: str | None  #: the trigger's
    kind: int
    arguments: bytes
    enabled: bool
    body: str  #: of its function
    calls: bool  #: its function has the trigger's name, and is beside the ledger


def _postgresql(using: str, tables: Sequence[Tracked]) -> dict[str, TableState]:
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT w.number, c.relkind, quote_ident(n.nspname) || '.' || quote_ident(c.relname), "
            "quote_ident(s.nspname) || '.' || quote_ident(l.relname), t.tgname, t.tgtype, t.tgargs, "
            f"{postgresql.ENABLED}, "
            "p.prosrc, p.proname = t.tgname AND p.pronamespace = l.relnamespace "
            "FROM unnest(%s::text[]) WITH ORDINALITY AS w (name, number) "
            "JOIN pg_class l ON l.oid = to_regclass('messaging_ledger') JOIN pg_namespace s ON s.oid = l.relnamespace "
            "LEFT JOIN pg_class c ON c.oid = to_regclass(w.name) LEFT JOIN pg_namespace n ON n.oid = c.relnamespace "
            "LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND starts_with(t.tgname, %s) "
            "LEFT JOIN pg_proc p ON p.oid = t.tgfoid",
            [[tracked.quoted for tracked in tables], PREFIX],
        )
        rows = [_Row(*row) for row in cursor.fetchall()]
    found: dict[str, TableState] = {}
    for number, tracked in enumerate(tables, start=1):
        own = [row for row in rows if row.number == number]
        if not own:
            continue
        kind = KINDS.get(own[0].relkind or "")
        definitions = postgresql.definitions(
            using, tracked, own[0].ledger, own[0].table or "", partitioned=kind == Kind.PARTITIONED
        )
        wanted = {each.name: (each.kind, tracked.aggregate.encode() + b"\0", each.body, True) for each in definitions}
        there = {row.name: (row.kind, bytes(row.arguments), row.body, row.calls) for row in own if row.name}
        found[tracked.aggregate] = _state(kind, wanted, there, [row.name for row in own if row.name and row.enabled])
    return found


def _sqlite(using: str, tables: Sequence[Tracked]) -> dict[str, TableState]:
    connection = connections[using]
    if not sqlite.table_exists(connection, "messaging_ledger"):
        return {}
    found: dict[str, TableState] = {}
    for tracked in tables:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT type, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name = %s",
                [tracked.table.replace('"', "")],
            )
            kind, sql = cursor.fetchone() or (None, "")
        if kind == "table" and sql.upper().startswith("CREATE VIRTUAL"):
            kind = Kind.VIRTUAL
        there = dict(sqlite.triggers(connection, tracked.table, PREFIX))
        found[tracked.aggregate] = _state(
            Kind(kind) if kind else None, sqlite.definitions(connection, tracked), there, there.keys()
        )
    return found


def _state(kind: Kind | None, wanted: Mapping[str, Any], there: Mapping[str, Any], active: Collection[str]) -> TableState:
    if kind not in (Kind.TABLE, Kind.PARTITIONED):
        return TableState(kind, missing=False, stale=())
    stale = (name for name, definition in there.items() if wanted.get(name) != definition)
    return TableState(kind, missing=not wanted.keys() <= set(active), stale=tuple(sorted(stale)))
