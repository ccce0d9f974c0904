"""The authority's register: which consumer gets which of its events, with which fields."""

import re
from collections.abc import Iterable
from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from messaging import conf, contracts, handlers
from messaging.errors import MessagingError
from messaging.models import Consumer

NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")


class InvalidConsumer(MessagingError):
    """What was to be registered can't be: a name, a type or a field is off."""


def register_consumer(*, authority: str, name: str, types: Iterable[str], fields: Iterable[str]) -> Consumer:
    """Enter a consumer in the authority's register, or change its entry. Safe to repeat.

    Raises `InvalidConsumer` for a name that no queue can have, and for types or fields that the authority doesn't publish.
    """
    types, fields = sorted(set(types)), sorted(set(fields))
    if not NAME.fullmatch(name):
        raise InvalidConsumer(f"{name!r} can't be a consumer's name: small letters, digits and _, at most 50, a letter first.")
    _must_be_published(authority, types, fields)
    values = {"queue": name, "types": types, "fields": fields}
    consumer, _ = Consumer.objects.using(authority).update_or_create(name=name, defaults=values)
    return consumer


def revoke_consumer(*, authority: str, name: str) -> bool:
    """Take a consumer out of the register: it gets no more copies. False where it isn't there."""
    deleted, _ = Consumer.objects.using(authority).filter(pk=name).delete()
    return bool(deleted)


def registered(authority: str) -> list[Consumer]:
    """The authority's consumers, by name."""
    return list(Consumer.objects.using(authority))


def wanted(consumer: str, authority: str) -> tuple[list[str], list[str]] | None:
    """(types, fields) that a consumer's own handlers read of an authority; None where the consumer runs elsewhere."""
    if consumer not in conf.contexts():
        return None
    table = {wire: handler for wire, handler in handlers.table(consumer).items() if wire.startswith(f"{authority}.")}
    fields = {field.alias or name for handler in table.values() for name, field in handler.reads.model_fields.items()}
    return sorted(table), sorted(fields)


def load_contracts(context: str) -> None:
    """Import a context's events, so that `DomainEvent.registry` knows them."""
    app = apps.get_app_config(context)
    if app.module is not None and module_has_submodule(app.module, "events"):
        import_module(f"{app.name}.events")


def _must_be_published(authority: str, types: list[str], fields: list[str]) -> None:
    load_contracts(authority)
    published = {wire: event for wire, event in contracts.DomainEvent.registry.items() if event.source() == authority}
    unknown = [wire for wire in types if wire not in published]
    if unknown or not types:
        what = f"{authority} publishes no {unknown[0]}" if unknown else "A consumer needs at least one event type"
        raise InvalidConsumer(f"{what}. Its types: {', '.join(sorted(published)) or 'none'}.")
    known = {name for wire in types for name in published[wire].model_fields}
    strange = [name for name in fields if name not in known]
    if strange or not fields:
        what = f"These events have no field {strange[0]!r}" if strange else "A consumer needs at least one field"
        raise InvalidConsumer(f"{what}. Their fields: {', '.join(sorted(known))}.")
