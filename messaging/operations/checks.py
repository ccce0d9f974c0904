"""Django system checks of what must be right before the first event is sent."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from celery import current_app
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from messaging import settings
from messaging.consumer.cache import declared_caches
from messaging.consumer.handlers import Handler, table
from messaging.database import engines, row_hash
from messaging.database.keys import kind_of_key
from messaging.database.upsert import column
from messaging.ledger import ledger
from messaging.models import Consumer
from messaging.publisher import grants
from messaging.publisher.feed import declared_feed
from messaging.transport import keys, queues

#: A live consumer rarely bootstraps again, so a grant that stays open longer than this was probably forgotten.
LONGEST_GRANT = timedelta(days=1)


@register("messaging")
def handlers_are_wired(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E001: a context's table of handlers can't be loaded, or holds something that isn't a handler."""
    found: list[CheckMessage] = []
    for context in settings.contexts():
        try:
            wrong = [name for name, handler in table(context).items() if not isinstance(handler, Handler)]
        except (ImportError, AttributeError, KeyError) as error:
            hint = "Correct the context's handlers in the setting MESSAGING, or its module."
            found.append(Error(f"The handlers of {context} can't be loaded: {error}", hint=hint, id="messaging.E001"))
        else:
            found += [
                Error(
                    f"The entry of {context} for {name} isn't a Handler.",
                    hint="Use messaging.consumer.Handler.",
                    id="messaging.E001",
                )
                for name in wrong
            ]
    return found


@register("messaging")
def broker_is_set(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W004: Celery has no broker, so events would go to its default, RabbitMQ on localhost.

    It is a warning, because a context that only pulls needs no broker. Relays, workers and other senders refuse to start.
    """
    missing = queues.no_broker(current_app.conf.broker_read_url and current_app.conf.broker_write_url)
    if not missing or not settings.contexts():
        return []
    return [Warning(missing, hint=f"{queues.SET_BROKER} Until then relays and workers refuse to start.", id="messaging.W004")]


@register(Tags.database)
def ledger_triggers_are_there(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W003: writes to a tracked model go unnoticed, because a trigger is missing or disabled.

    It is a warning, because an error would stop the `migrate` that installs the trigger. A worker refuses to start.
    """
    found: list[CheckMessage] = []
    for tracked in ledger.TRACKED.values():
        context = settings.contexts().get(tracked.model._meta.app_label)
        using = context.alias if context else ""
        if using not in (databases or []) or not engines.for_alias(using).table_exists(connections[using], tracked.table):
            continue
        if engines.for_alias(using).trigger_missing(connections[using], tracked):
            found.append(
                Warning(
                    f"The table of {tracked.label} has no ledger trigger, so its changes get no version.",
                    hint=f"Run `migrate --database {using}`.",
                    id="messaging.W003",
                )
            )
    return found


@register(Tags.database)
def bootstrap_grants_are_closed(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W001: a live consumer may still bootstrap, or a grant expired before its bootstrap was done."""
    found: list[CheckMessage] = []
    now = timezone.now()
    for name, context in settings.contexts().items():
        if context.alias not in (databases or []) or not _has_grants(connections[context.alias]):
            continue
        for consumer in Consumer.objects.using(context.alias).filter(bootstrap_open=True):
            ends = consumer.bootstrap_closes_at
            if grants.grant(consumer, now) == "expired":
                why = f"The bootstrap grant of {consumer.name} from {name} expired at {ends:%Y-%m-%d %H:%M} UTC before it was live."
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
    for name, context in settings.contexts().items():
        if context.alias not in (databases or []) or not _has_grants(connections[context.alias]):
            continue
        for consumer in Consumer.objects.using(context.alias).filter(name__in=list(settings.contexts())):
            unknown = sorted(set(consumer.types) - set(table(consumer.name)))
            if unknown:
                register = f"manage.py consumers register {consumer.name} --to {name} --types …"
                hint = f"Write a handler, or register without the type: {register}"
                why = f"{name} sends {unknown[0]} to {consumer.name}, which has no handler for it."
                found.append(Error(why, hint=hint, id="messaging.E004"))
    return found


@register(Tags.database)
def publishers_are_known(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W002: a consumer doesn't know a publisher's public key, so each of its messages would be parked."""
    found: list[CheckMessage] = []
    for name, context in settings.contexts().items():
        for publisher in sorted({wire.partition(".")[0] for wire in table(name)} if context.alias in (databases or []) else ()):
            own = publisher in settings.contexts() and not settings.public_keys(publisher)  # this process has or makes its key
            if not own and publisher not in settings.unsigned() and not keys.public(publisher):
                variable = f"{publisher.upper()}_PUBLIC_KEYS"
                hint = f"Set {variable} here. Where {publisher} runs, this prints it: manage.py signing_keys {publisher}"
                found.append(Warning(f"{name} has no public key of {publisher}.", hint=hint, id="messaging.W002"))
    return found


def _has_grants(connection: BaseDatabaseWrapper) -> bool:
    """Return True if the register's table is up to date. `migrate` runs the checks before it creates the table."""
    table_name = Consumer._meta.db_table
    with connection.cursor() as cursor:
        if table_name not in connection.introspection.table_names(cursor):
            return False
        columns = {column.name for column in connection.introspection.get_table_description(cursor, table_name)}
    return {field.column for field in Consumer._meta.concrete_fields} <= columns


@register("messaging")
def feeds_can_be_compared(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E003: a feed or a copy has a key or a field that can't be compared."""
    found: list[CheckMessage] = []
    for name in settings.feeds():
        feed = declared_feed(name)
        if feed is not None:
            found += _wrong(f"The feed of {name}", feed.model, "pk", feed.fields)
    for context in settings.contexts():
        for authority, cache in declared_caches(context).items():
            what = f"The copy in {context} of {authority}"
            found += _wrong(what, cache.model, cache.key, (*cache.fields, cache.version), follows=cache.follows)
    return found


def _wrong(what: str, model: type[models.Model], key: str, fields: Sequence[str], *, follows: bool = False) -> list[CheckMessage]:
    def error(why: object, hint: str) -> CheckMessage:
        return Error(f"{what}: {why}", hint=hint, id="messaging.E003")

    found: list[CheckMessage] = []
    try:
        field = column(model, key)
        kind = kind_of_key(field)
        if not field.primary_key:
            found.append(error(f"{model._meta.label}.{field.name} isn't the primary key.", "Name the model's primary key."))
        if follows and kind != "uuid":
            hint = "Use a UUIDField: two contexts in turn give out the keys of rows that move, and other keys would collide."
            found.append(error(f"{model._meta.label}.{field.name} isn't a UUIDField.", hint))
    except (FieldDoesNotExist, TypeError) as why:
        found.append(error(why, "Use a primary key of one of these types."))
    for name in fields:
        try:
            row_hash.kind_of_field(column(model, name))
        except (FieldDoesNotExist, TypeError) as why:
            found.append(error(why, "Leave the field out, or use one with a form that all databases share."))
    return found
