"""System checks: what must be right before the first event is sent."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from messaging import settings
from messaging.consumer.cache import declared_caches
from messaging.consumer.handlers import Handler, table
from messaging.database import engines, row_hash
from messaging.database.upsert import column
from messaging.ledger import ledger
from messaging.models import Consumer
from messaging.publisher import grants
from messaging.publisher.feed import declared_feed
from messaging.transport import keys

#: After its first success a consumer bootstraps again by exception; a grant that stays longer than this was forgotten.
LONGEST_GRANT = timedelta(days=1)


@register("messaging")
def handlers_are_wired(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E001: a context's table of handlers can't be loaded or holds something else."""
    found: list[CheckMessage] = []
    for context in settings.contexts():
        try:
            wrong = [name for name, handler in table(context).items() if not isinstance(handler, Handler)]
        except (ImportError, AttributeError, KeyError) as error:
            found.append(Error(f"The handlers of {context} can't be loaded: {error}", hint="See MESSAGING.", id="messaging.E001"))
        else:
            found += [
                Error(f"{context}: {name} has no Handler.", hint="Use messaging.consumer.Handler.", id="messaging.E001")
                for name in wrong
            ]
    return found


@register(Tags.database)
def ledger_triggers_are_there(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W003: writes to a tracked model go unnoticed, because a trigger is missing or disabled. A warning, since an error
    would stop the `migrate` that installs it; a worker refuses to start."""
    found: list[CheckMessage] = []
    for tracked in ledger.TRACKED.values():
        context = settings.contexts().get(tracked.model._meta.app_label)
        using = context.alias if context else ""
        if using not in (databases or []) or not engines.for_alias(using).table_exists(connections[using], tracked.table):
            continue
        if engines.for_alias(using).trigger_missing(connections[using], tracked):
            found.append(
                Warning(f"{tracked.label} has no ledger trigger.", hint=f"Run `migrate --database {using}`.", id="messaging.W003")
            )
    return found


@register(Tags.database)
def bootstrap_grants_are_closed(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W001: a consumer may read everything although nobody is waiting for it, or its grant ran out unused."""
    found: list[CheckMessage] = []
    now = timezone.now()
    for name, context in settings.contexts().items():
        if context.alias not in (databases or []) or not _has_grants(connections[context.alias]):
            continue
        for consumer in Consumer.objects.using(context.alias).filter(bootstrap_open=True):
            ends = consumer.bootstrap_closes_at
            if grants.grant(consumer, now) == "expired":
                why = f"The bootstrap grant of {consumer.name} at {name} ran out at {ends:%Y-%m-%d %H:%M} UTC without a success."
            elif grants.went_live(consumer) and (ends is None or ends > now + LONGEST_GRANT):
                until = f"until {ends:%Y-%m-%d %H:%M} UTC" if ends else "without an end"
                why = f"{consumer.name} is live already, and may bootstrap from {name} again {until}."
            else:
                continue
            again = f"consumers open {consumer.name} --to {name} --ttl 1h"
            hint = f"Type `consumers close {consumer.name} --to {name}`; where it still has to bootstrap, `{again}`."
            found.append(Warning(why, hint=hint, id="messaging.W001"))
    return found


@register(Tags.database)
def registered_types_have_handlers(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> Sequence[CheckMessage]:
    """messaging.E004: an authority sends a consumer event types that it has no handler for; each would be parked."""
    found: list[CheckMessage] = []
    for name, context in settings.contexts().items():
        if context.alias not in (databases or []) or not _has_grants(connections[context.alias]):
            continue
        for consumer in Consumer.objects.using(context.alias).filter(name__in=list(settings.contexts())):
            unknown = sorted(set(consumer.types) - set(table(consumer.name)))
            if unknown:
                hint = f"Write one, or register again without it: consumers register {consumer.name} --to {name} --types …"
                found.append(
                    Error(
                        f"{name} sends {consumer.name} {unknown[0]}, which it lists no handler for.",
                        hint=hint,
                        id="messaging.E004",
                    )
                )
    return found


@register(Tags.database)
def publishers_are_known(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W002: a consumer takes events of a publisher whose public key it doesn't know; each message would be parked."""
    found: list[CheckMessage] = []
    for name, context in settings.contexts().items():
        for publisher in sorted({wire.partition(".")[0] for wire in table(name)} if context.alias in (databases or []) else ()):
            own = publisher in settings.contexts() and not settings.public_keys(publisher)  # it has its key, or makes it
            if not own and publisher not in settings.unsigned() and not keys.public(publisher):
                hint = f"`signing_keys {publisher}` prints it where {publisher} runs: set {publisher.upper()}_PUBLIC_KEYS here."
                found.append(Warning(f"{name} knows no public key of {publisher}.", hint=hint, id="messaging.W002"))
    return found


def _has_grants(connection: BaseDatabaseWrapper) -> bool:
    """Whether the register's table is there, and up to date: `migrate` runs the checks before it makes it so."""
    table_name = Consumer._meta.db_table
    with connection.cursor() as cursor:
        if table_name not in connection.introspection.table_names(cursor):
            return False
        columns = {column.name for column in connection.introspection.get_table_description(cursor, table_name)}
    return {field.column for field in Consumer._meta.concrete_fields} <= columns


@register("messaging")
def feeds_can_be_compared(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E003: a feed or a cache has a key that is no UUID, or a field that can't be compared."""
    found: list[CheckMessage] = []
    for name in settings.feeds():
        feed = declared_feed(name)
        if feed is not None:
            found += _wrong(f"The feed of {name}", feed.model, "pk", feed.fields)
    for context in settings.contexts():
        for authority, cache in declared_caches(context).items():
            found += _wrong(f"{context}'s cache of {authority}", cache.model, cache.key, (*cache.fields, cache.version))
    return found


def _wrong(what: str, model: type[models.Model], key: str, fields: Sequence[str]) -> list[CheckMessage]:
    """What is wrong with a model's key and fields."""
    found: list[CheckMessage] = []
    try:
        field = column(model, key)
        if not isinstance(field, models.UUIDField) or not field.primary_key:
            hint = (
                "Give the model a UUIDField as its primary key: ranges of ids are compared, and only UUIDs sort alike everywhere."
            )
            found.append(Error(f"{what}: {model._meta.label}.{field.name} is no UUID key.", hint=hint, id="messaging.E003"))
    except (FieldDoesNotExist, TypeError) as error:
        found.append(Error(f"{what}: {error}", hint="Name the model's primary key.", id="messaging.E003"))
    for name in fields:
        try:
            row_hash.kind_of_field(column(model, name))
        except (FieldDoesNotExist, TypeError) as error:
            hint = "Name columns of texts, whole numbers, times or UUIDs: others aren't spelled alike on every database."
            found.append(Error(f"{what}: {error}", hint=hint, id="messaging.E003"))
    return found
