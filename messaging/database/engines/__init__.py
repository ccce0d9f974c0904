"""The statements that differ between databases: triggers, stamps, a relay's claim. Both engines have the same functions;
`for_alias` picks one."""

from types import ModuleType

from messaging.database.engines import postgresql, sqlite
from messaging.database.vendors import by_vendor

_ENGINES: dict[str, ModuleType] = {"postgresql": postgresql, "sqlite": sqlite}


def for_alias(using: str) -> ModuleType:
    """The engine for the database behind an alias. Raises `NotImplementedError` for other databases."""
    return by_vendor(using, _ENGINES)
