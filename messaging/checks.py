"""System checks: what must be right before the first event is sent."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from messaging import conf, engines, ledger
from messaging.handlers import Handler, table


@register("messaging")
def handlers_are_wired(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E001: a context's table of handlers can't be loaded or holds something else."""
    found: list[CheckMessage] = []
    for context in conf.contexts():
        try:
            wrong = [name for name, handler in table(context).items() if not isinstance(handler, Handler)]
        except (ImportError, AttributeError, KeyError) as error:
            found.append(Error(f"The handlers of {context} can't be loaded: {error}", hint="See MESSAGING.", id="messaging.E001"))
        else:
            found += [
                Error(f"{context}: {name} has no Handler.", hint="Use messaging.Handler.", id="messaging.E001") for name in wrong
            ]
    return found


@register(Tags.database)
def ledger_triggers_are_there(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E002: writes to a tracked model go unnoticed, because its trigger is missing or disabled."""
    found: list[CheckMessage] = []
    for tracked in ledger.TRACKED.values():
        using = tracked.model._meta.app_label
        if using not in (databases or []) or tracked.table not in connections[using].introspection.table_names():
            continue
        if engines.for_alias(using).trigger_missing(connections[using], tracked):
            found.append(
                Error(f"{tracked.label} has no ledger trigger.", hint=f"Run `migrate --database {using}`.", id="messaging.E002")
            )
    return found
