"""The register of consumers."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from messaging import settings
from messaging.models import Consumer
from messaging.operations.checks import declared
from messaging.publisher import grants

#: A live consumer rarely bootstraps again, so a grant that stays open longer than this was probably forgotten.
LONGEST_GRANT = timedelta(days=1)


@register(Tags.database)
def bootstrap_grants_are_closed(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W001: a live consumer may still bootstrap, or a grant expired before its bootstrap was done."""
    found: list[CheckMessage] = []
    now = timezone.now()
    for name, context in declared.contexts(databases or ()).items():
        if not _has_grants(connections[context.alias]):
            continue
        for consumer in Consumer.objects.of(context.alias).filter(bootstrap_open=True):
            ends = consumer.bootstrap_closes_at
            if grants.grant(consumer, now) == "expired":
                why = f"The grant of {consumer.name} from {name} expired at {ends:%Y-%m-%d %H:%M} UTC before its copy was live."
            elif grants.went_live(consumer) and (ends is None or ends > now + LONGEST_GRANT):
                until = f"until {ends:%Y-%m-%d %H:%M} UTC" if ends else "without an end"
                why = f"{consumer.name} is live, but may bootstrap from {name} again {until}."
            else:
                continue
            again = f"manage.py consumers open {consumer.name} --to {name} --ttl 1h"
            hint = f"Type `manage.py consumers close {consumer.name} --to {name}`. If it still has to bootstrap: `{again}`."
            found.append(Warning(why, hint=hint, id="messaging.W001"))
    return found


@register(Tags.database)
def registered_types_have_handlers(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> Sequence[CheckMessage]:
    """messaging.E004: an authority sends a consumer event types without a handler, so each event would be parked."""
    found: list[CheckMessage] = []
    for name, context in declared.contexts(databases or ()).items():
        if not _has_grants(connections[context.alias]):
            continue
        for consumer in Consumer.objects.of(context.alias).filter(name__in=list(settings.contexts())):
            unknown = sorted(set(consumer.types) - set(declared.handled(consumer.name)))
            if unknown:
                register = f"manage.py consumers register {consumer.name} --to {name}"
                hint = f"Write a handler, or register it for the types that it has handlers for: `{register}`."
                why = f"{name} sends {unknown[0]} to {consumer.name}, which has no handler for it."
                found.append(Error(why, hint=hint, id="messaging.E004"))
    return found


def _has_grants(connection: BaseDatabaseWrapper) -> bool:
    """Return True if the register's table is up to date. `migrate` runs the checks before it creates the table."""
    table_name = Consumer._meta.db_table
    with connection.cursor() as cursor:
        if table_name not in connection.introspection.table_names(cursor):
            return False
        columns = {column.name for column in connection.introspection.get_table_description(cursor, table_name)}
    return {field.column for field in Consumer._meta.concrete_fields} <= columns
