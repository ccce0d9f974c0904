"""The databases of the contexts: their engines, aliases, transactions and connections."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, connections

from messaging import extras, settings
from messaging.database import pooler
from messaging.operations.checks import declared

#: The first release with the operator ->>.
OLDEST_SQLITE = (3, 38, 0)


@register("messaging")
def contexts_have_databases(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E007: `CONTEXTS` names a database that `DATABASES` hasn't."""
    return [
        Error(
            f"The context {name} is in the database {str(context.alias)!r}, which DATABASES doesn't have.",
            hint=f'Write MESSAGING["CONTEXTS"]["{name}"] = {{"database": "{DEFAULT_DB_ALIAS}"}}, or add it to DATABASES.',
            id="messaging.E007",
        )
        for name, context in settings.contexts().items()
        if context.alias not in connections
    ]


@register("messaging")
def engines_are_supported(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E009: a context's database is neither PostgreSQL nor SQLite, or the SQLite is too old."""
    found: list[CheckMessage] = []
    for alias in dict.fromkeys(str(context.alias) for context in settings.contexts().values()):
        if alias not in connections:
            continue
        vendor = connections[alias].vendor
        if vendor not in declared.VENDORS:
            hint = 'Give its contexts a database of PostgreSQL or SQLite, in DATABASES and in MESSAGING["CONTEXTS"].'
            found.append(
                Error(f"The database {alias!r} is {vendor}, which messaging doesn't support.", hint=hint, id="messaging.E009")
            )
        elif vendor == "sqlite" and sqlite3.sqlite_version_info < OLDEST_SQLITE:
            oldest = ".".join(str(number) for number in OLDEST_SQLITE)
            why = f"The database {alias!r} is SQLite {sqlite3.sqlite_version}, and messaging needs {oldest} or newer."
            hint = "Use a Python that is built with a newer SQLite, or PostgreSQL."
            found.append(Error(why, hint=hint, id="messaging.E009"))
    return found


@register("messaging")
def drivers_are_there(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E012: a context's database is on PostgreSQL with psycopg2, which Django takes too if psycopg isn't installed."""
    aliases = dict.fromkeys(str(context.alias) for context in settings.contexts().values() if context.alias in connections)
    found = [alias for alias in aliases if connections[alias].vendor == "postgresql"]
    sentence = extras.missing("postgres") if found else ""
    return [Error(sentence, hint=f"It is the database {found[0]!r}.", id="messaging.E012")] if sentence else []


@register("messaging")
def sqlite_writers_wait_for_each_other(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W007: on SQLite a transaction that reads first may fail at its first write, instead of waiting for it."""
    options = (
        '{"transaction_mode": "IMMEDIATE", "timeout": 30, "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}'
    )
    return [
        Warning(
            f"SQLite transactions of the database {alias!r} aren't immediate, so they may collide.",
            hint=f'Set DATABASES["{alias}"]["OPTIONS"] = {options}.',
            id="messaging.W007",
        )
        for alias in declared.aliases()
        if connections[alias].vendor == "sqlite"
        and str(connections[alias].settings_dict["OPTIONS"].get("transaction_mode", "")).upper() not in ("IMMEDIATE", "EXCLUSIVE")
    ]


@register("messaging")
def a_database_has_one_alias(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W006: another alias leads to a context's database, so a transaction there doesn't cover the context's rows."""
    found: list[CheckMessage] = []
    aliases = declared.aliases()
    for alias in aliases:
        for other in connections:
            first = other not in aliases or alias < other  # of two contexts' aliases one is named
            if other != alias and first and _place(other) == _place(alias) is not None:
                hint = f"Use {alias!r} for both: contexts may share an alias, and share it with your own tables."
                why = f"The aliases {alias!r} and {other!r} lead to one database. A transaction on one doesn't cover the other."
                found.append(Warning(why, hint=hint, id="messaging.W006"))
    return found


def _place(alias: str) -> tuple[str, ...] | None:
    """Return what identifies the database behind an alias; None for one that only this alias can lead to."""
    given = connections[alias].settings_dict
    if given["NAME"] == ":memory:" or given["TEST"]["MIRROR"]:
        return None
    service = given["OPTIONS"].get("service", "")
    return tuple(str(part) for part in (given["ENGINE"], given["NAME"], given["HOST"], given["PORT"], service))


@register(Tags.database)
def poolers_keep_cursors(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W013: a pooler gives each transaction another connection, so a server-side cursor is lost between two of them."""
    return [
        Warning(
            f"The database {using!r} is behind a pooler in transaction mode, so reads with a server-side cursor fail.",
            hint=f'Set DATABASES["{using}"]["DISABLE_SERVER_SIDE_CURSORS"] = True.',
            id="messaging.W013",
        )
        for using in declared.aliases(databases or ())
        if connections[using].vendor == "postgresql"
        and not connections[using].settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
        and pooler.shares_connections(connections[using])
    ]


@register(Tags.database)
def databases_take_writes(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W015: a context's PostgreSQL takes no writes. It is a warning, because a failover also looks like that."""
    found: list[CheckMessage] = []
    for using in declared.aliases(databases or ()):
        if connections[using].vendor != "postgresql":
            continue
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'")
            standby, read_only = cursor.fetchone()
        if standby or read_only:
            what = "a standby" if standby else "set to default_transaction_read_only"
            hint = f'Name the primary in DATABASES["{using}"], or wait until this server is one. Until then all programs wait.'
            found.append(Warning(f"The database {using!r} takes no writes: it is {what}.", hint=hint, id="messaging.W015"))
    return found
