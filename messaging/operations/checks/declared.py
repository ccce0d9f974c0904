"""The declarations that the checks of databases and tables can work with. Other checks report those that are left out here."""

from collections.abc import Mapping, Sequence

from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import connections, models

from messaging import settings
from messaging.consumer.cache import Cache, declared_caches
from messaging.consumer.handlers import Handler, table
from messaging.database.keys import kind_of_key
from messaging.database.tracked import Tracked
from messaging.ledger import ledger

#: Django's names of the databases that `messaging` supports.
VENDORS = ("postgresql", "sqlite")


def usable(alias: str) -> bool:
    """Return True if an alias is in `DATABASES` (`messaging.E007`) and its engine is supported (`messaging.E009`)."""
    return alias in connections and connections[alias].vendor in VENDORS


def contexts(databases: Sequence[str] | None = None) -> dict[str, settings.Context]:
    """The contexts of this process whose database can be used; with `databases`, only those in one of them."""
    return {
        name: context
        for name, context in settings.contexts().items()
        if (databases is None or context.alias in databases) and usable(context.alias)
    }


def aliases(databases: Sequence[str] | None = None) -> list[str]:
    """The databases of `contexts`, each once."""
    return list(dict.fromkeys(str(context.alias) for context in contexts(databases).values()))


def tracked(using: str) -> list[Tracked]:
    """The tracked models of the contexts in a database, without those that no trigger can be made for
    (`messaging.E003`, `messaging.E005`)."""
    return [one for one in ledger.TRACKED.values() if ledger.alias_of(one) == using and _can_have_triggers(using, one)]


def _can_have_triggers(using: str, one: Tracked) -> bool:
    try:
        kind_of_key(one.key)
        one.tombstone_sql(using, "NEW")
        _ = one.ignored_columns
    except (FieldDoesNotExist, FieldError, TypeError):
        return False
    return True


def copies(context: str) -> list[type[models.Model]]:
    """The models of a context's copies; none if they can't be loaded (`messaging.E001`)."""
    return [cache.model for cache in caches(context).values()]


def caches(context: str) -> Mapping[str, Cache]:
    """A context's copies by authority; none if they can't be loaded (`messaging.E001`)."""
    try:
        return declared_caches(context)
    except (ImportError, AttributeError):
        return {}


def handled(context: str) -> Mapping[str, Handler]:
    """A context's handlers by event type; none if they can't be loaded (`messaging.E001`)."""
    try:
        return table(context)
    except (ImportError, AttributeError, KeyError):
        return {}
