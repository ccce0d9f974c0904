"""The statements that differ between databases. Both engines offer the same functions; `for_alias` picks one."""

from types import ModuleType

from django.db import connections

from messaging.database.engines import postgresql, sqlite

_ENGINES: dict[str, ModuleType] = {"postgresql": postgresql, "sqlite": sqlite}


def for_alias(using: str) -> ModuleType:
    """The statements for the database behind an alias; `NotImplementedError` for an engine other than these two."""
    vendor = connections[using].vendor
    try:
        return _ENGINES[vendor]
    except KeyError:
        raise NotImplementedError(f"{vendor} is not supported: messaging needs PostgreSQL or SQLite.") from None
