"""The databases of the contexts: how their aliases and their transactions are set up."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning, register
from django.db import connections

from messaging import settings


@register("messaging")
def sqlite_writers_wait_for_each_other(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W007: on SQLite a transaction that reads first may fail at its first write, instead of waiting for it."""
    hint = (
        'Set its OPTIONS: {"transaction_mode": "IMMEDIATE", "timeout": 30, '
        '"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}.'
    )
    aliases = dict.fromkeys(str(context.alias) for context in settings.contexts().values())
    return [
        Warning(
            f"SQLite transactions of the database {alias!r} aren't immediate, so they may collide.", hint=hint, id="messaging.W007"
        )
        for alias in aliases
        if connections[alias].vendor == "sqlite"
        and str(connections[alias].settings_dict["OPTIONS"].get("transaction_mode", "")).upper() not in ("IMMEDIATE", "EXCLUSIVE")
    ]


@register("messaging")
def a_database_has_one_alias(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W006: another alias leads to a context's database, so a transaction there doesn't cover the context's rows."""
    found: list[CheckMessage] = []
    aliases = dict.fromkeys(str(context.alias) for context in settings.contexts().values())
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
