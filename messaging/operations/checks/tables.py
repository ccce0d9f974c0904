"""The tables of tracked models, and the triggers on them."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from messaging.database import engines
from messaging.ledger import ledger


@register(Tags.database)
def ledger_triggers_are_there(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W003: writes to a tracked model go unnoticed, because a trigger is missing or disabled.

    It is a warning, because an error would stop the `migrate` that installs the trigger. A worker refuses to start.
    """
    found: list[CheckMessage] = []
    for tracked in ledger.TRACKED.values():
        using = ledger.alias_of(tracked) or ""
        if using not in (databases or ()) or not engines.for_alias(using).table_exists(connections[using], tracked.table):
            continue
        if engines.for_alias(using).trigger_missing(connections[using], tracked):
            found.append(
                Warning(
                    f"The table of {tracked.aggregate} has no ledger trigger, so its changes get no version.",
                    hint=f"Run `migrate --database {using}`.",
                    id="messaging.W003",
                )
            )
    return found


@register(Tags.database)
def feeds_have_tables(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E006: a tracked model, which is unmanaged then, is a view. No trigger sees the changes of its rows."""
    found: list[CheckMessage] = []
    for tracked in ledger.TRACKED.values():
        using = ledger.alias_of(tracked) or ""
        if using not in (databases or ()):
            continue
        with connections[using].cursor() as cursor:
            kinds = {info.name: info.type for info in connections[using].introspection.get_table_list(cursor)}
        if kinds.get(tracked.table) == "v":
            hint = "Publish the tables that it reads, each in a feed of its own."
            found.append(Error(f"{tracked.aggregate} is the view {tracked.table}.", hint=hint, id="messaging.E006"))
    return found
