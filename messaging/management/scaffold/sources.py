"""What a person named: a model, the key of its rows, and the fields to copy."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from messaging.database.columns import column, field_of
from messaging.database.keys import kind_of_key
from messaging.errors import UnusableKey
from messaging.management.base import WrongUsage
from messaging.management.scaffold import names
from messaging.management.scaffold.facts import Fact
from messaging.management.scaffold.publishers import Publisher
from messaging.publisher.feed import Feed


def source_model(label: str) -> type[models.Model]:
    """The model with a label, as "auth.User". Raises `WrongUsage`."""
    try:
        model: type[models.Model] = apps.get_model(label)
    except ValueError:
        raise WrongUsage(f"--from {label!r} isn't a model. Write an app's label and a model's name: --from auth.User") from None
    except LookupError as error:
        raise WrongUsage(f"--from {label}: {str(error).rstrip('.')}. {_models(label)}") from None
    if model._meta.swapped:
        raise WrongUsage(
            f"--from {label}: this project uses {model._meta.swapped} instead. Name that: --from {model._meta.swapped}"
        )
    if not names.snake(model).isascii():
        raise WrongUsage(
            f"--from {label}: an event's type needs a name in ASCII letters. Write this feed by hand: docs/contracts.md"
        )
    return model


def _models(label: str) -> str:
    """A sentence with what could be meant instead."""
    app = label.partition(".")[0]
    known = [config.label for config in apps.get_app_configs() if config.models_module]
    if app not in known:
        return f"Apps with models: {', '.join(sorted(known))}."
    return f"Its models: {', '.join(sorted(model._meta.label for model in apps.get_app_config(app).get_models()))}."


def key_field(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    """The field that is the rows' id: "pk", or another unique one. Raises `WrongUsage`."""
    label = model._meta.label
    try:
        field = column(model, name)
        kind_of_key(field)
    except (FieldDoesNotExist, TypeError, UnusableKey) as error:
        usable = ", ".join(other.name for other in model._meta.local_concrete_fields if _identifies(other))
        instead = (
            f"Name another unique field: --key NAME, one of {usable}." if usable else "It has no other field that can be the key."
        )
        raise WrongUsage(f"{label} has no key that a copy can use: {str(error).rstrip('.')}. {instead}") from None
    if not _identifies(field):
        raise WrongUsage(f"--key {name}: {label}.{name} isn't unique, or may be NULL. Use a field that is unique in every row.")
    return field


def _identifies(field: "models.Field[Any, Any]") -> bool:
    try:
        kind_of_key(field)
    except UnusableKey:
        return False
    alone = any(list(one.fields) == [field.name] for one in field.model._meta.total_unique_constraints)
    return (field.unique or alone) and not field.null


def copied_facts(model: type[models.Model], fields: str, key: "models.Field[Any, Any]", publisher: Publisher) -> Iterator[Fact]:
    """The facts in a list as "id,is_active,name=username", without the key. Raises `WrongUsage`."""
    for item in filter(None, (item.strip() for item in fields.split(","))):
        name, _, source = item.partition("=")
        if (source or name) in {"pk", key.name, key.attname}:
            continue
        yield _published(name, source, publisher, publisher.feed) if publisher.feed else _fact(model, name, source)


def _fact(model: type[models.Model], name: str, source: str) -> Fact:
    """A fact of a feed that will be made."""
    try:
        found = model._meta.get_field(source or name)
        if found.many_to_many or not found.concrete:
            raise TypeError(f"{model._meta.label}.{found.name} is a relation that other tables keep")
        field = column(model, found.name)
        fact = Fact(name if source else field.attname, field, field.null)
        _ = fact.kind
    except FieldDoesNotExist:
        known = ", ".join(field.name for field in model._meta.concrete_fields)
        raise WrongUsage(f"--fields: {model._meta.label} has no field {source or name!r}. Its fields: {known}.") from None
    except TypeError as error:
        text = str(error).rstrip(".")
        advice = "" if text.endswith("out") else ". Leave it out, or copy the other table to another context"
        raise WrongUsage(f"--fields: {text}{advice}.") from None
    # A feed publishes an e-mail address or a password only if it names it.
    named = field.attname != fact.name or isinstance(field, models.EmailField) or field.name == "password"
    return Fact(fact.name, field, field.null, field.attname if named else "")


def _published(name: str, source: str, publisher: Publisher, feed: Feed) -> Fact:
    """A fact that the publisher's feed has already, by its name or by its field's."""
    model, asked = feed.declared.model, source or name
    meant = {asked}
    with suppress(FieldDoesNotExist):  # a foreign key has two names
        field = model._meta.get_field(asked)
        meant |= {field.name, getattr(field, "attname", asked)}
    facts = [fact for fact in feed.names if isinstance(feed.source(fact), str) and feed.source(fact) in meant]
    found = name if name in feed.names and not source else next(iter(facts), None)
    if found is None or (source and found != name):
        raise WrongUsage(
            f"{publisher.name} doesn't publish {asked}{f' as {name}' if source else ''}. Add it to {feed.facts.__name__} in "
            f"{publisher.module('events')}, with a default, and type: python manage.py write_contracts {publisher.name}. "
            f"Or leave it out. Published: {', '.join(feed.names)}."
        )
    return Fact(found, field_of(model, feed.source(found)), feed.may_be_none(found))
