"""Everything about a new context that its files depend on, checked before the first is written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connections, models

from messaging import settings
from messaging.database.columns import column, field_of
from messaging.database.keys import kind_of_key
from messaging.errors import UnusableKey
from messaging.management.base import WrongUsage
from messaging.management.scaffold import names
from messaging.management.scaffold.facts import Fact
from messaging.management.scaffold.publishers import Publisher, publisher_of
from messaging.publisher.feed import Feed


@dataclass(frozen=True)
class Plan:
    """A new context, which keeps a copy of a model's rows."""

    name: str
    database: str  #: its alias in `DATABASES`
    folder: Path  #: where its package is made
    model: type[models.Model]
    key: "models.Field[Any, Any]"
    facts: tuple[Fact, ...]
    publisher: Publisher
    erased: tuple[str, Any] | None  #: the (fact, value) of an erased row, if the publisher's feed says so

    @property
    def erases_by_condition(self) -> bool:
        """The publisher's feed erases rows by a condition, which can't be repeated for the copy."""
        feed = self.publisher.feed
        return bool(feed and feed.tracked.tombstone and not self.erased)

    @property
    def noun(self) -> str:
        return names.words(self.model)

    @property
    def snake(self) -> str:
        return names.snake(self.model)

    @property
    def key_name(self) -> str:
        """The copy's key."""
        return f"{self.snake}_id"

    @property
    def cached(self) -> str:
        """The class of the copy's rows."""
        return f"Cached{self.model.__name__}"

    @property
    def facts_class(self) -> str:
        return f"{self.model.__name__}Facts"

    @property
    def changed(self) -> str:
        """The class of the event, if the publisher is new."""
        return f"{self.model.__name__}Changed"

    @property
    def aggregate(self) -> str:
        return f"{self.publisher.name}.{self.model._meta.model_name}"

    @property
    def wires(self) -> list[str]:
        """The types of the events that the context handles."""
        if self.publisher.feed is None:
            return [f"{self.aggregate}.changed.v1"]
        return sorted(event.wire for event in self.publisher.feed.events())


def make(
    name: str,
    *,
    model: str,
    fields: str,
    folder: Path,
    database: str = "",
    publisher: str = "",
    key: str = "",
) -> Plan:
    """Check what a person asked for, and find the rest. Raises `WrongUsage`.

    Parameters
    ----------
    model
        The label of the model whose rows are copied, as "auth.User".
    fields
        The facts, separated by commas: a field's name, or `fact=field`. The key may be among them.
    folder
        The project's folder, in which the new apps are made.
    database
        The new context's alias. Default: the one that `CONTEXTS` names for it, else "default".
    publisher
        The context that publishes the model. Default: the one whose feed has it, else the model's own app or a new one.
    key
        The unique field that is the rows' id. Default: the primary key, or that of the feed.
    """
    names.check_new_app(name, "The context", folder, "Choose another name for the new context.")
    source = _model(model)
    found = publisher_of(source, publisher, folder, new=name)
    feed = found.feed
    if feed and key and key != _key(source, feed.key).name:
        raise WrongUsage(f"The feed of {found.name} has the key {_key(source, feed.key).name}. Leave out --key.")
    key_field = _key(source, feed.key if feed else key or "pk")
    key_name = f"{names.snake(source)}_id"
    facts = tuple(_facts(source, fields, key_field, found))
    if not facts:
        raise WrongUsage("--fields names no fact. Name at least one field besides the key, for example --fields id,name")
    for fact in facts:
        names.check_fact(fact.name, key_name)
    repeated = [fact.name for number, fact in enumerate(facts) if fact.name in {one.name for one in facts[:number]}]
    if repeated:
        raise WrongUsage(f"--fields names {repeated[0]} twice. Leave one out.")
    erased = _erased(feed, facts, found) if feed else None
    return Plan(name, _database(name, database), folder, source, key_field, facts, found, erased)


def _model(label: str) -> type[models.Model]:
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


def _key(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    """The field that is the rows' id."""
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


def _facts(model: type[models.Model], fields: str, key: "models.Field[Any, Any]", publisher: Publisher) -> Iterator[Fact]:
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
        known = ", ".join(field.name for field in model._meta.local_concrete_fields)
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
    found = name if name in feed.names else next((fact for fact in feed.names if feed.source(fact) == (source or name)), None)
    if found is None or (source and feed.source(found) != source):
        raise WrongUsage(
            f"{publisher.name} doesn't publish {source or name}. Add it to {feed.facts.__name__} in {publisher.module('events')}, "
            f"with a default, and type: python manage.py write_contracts {publisher.name}. Or leave it out. "
            f"Published: {', '.join(feed.names)}."
        )
    return Fact(found, field_of(feed.declared.model, feed.source(found)), feed.may_be_none(found))


def _erased(feed: Feed, facts: Sequence[Fact], publisher: Publisher) -> tuple[str, Any] | None:
    if not isinstance(feed.tracked.tombstone, tuple):
        return None
    field, value = feed.tracked.tombstone
    fact = next((name for name in feed.names if feed.source(name) == field), field)
    if fact not in {one.name for one in facts}:
        raise WrongUsage(
            f"{publisher.name} marks erased rows by {fact}={value!r}, so a copy needs that fact. Add it to --fields: {fact}"
        )
    return fact, value


def _database(name: str, asked: str) -> str:
    declared = settings.contexts()
    alias = str(declared[name].alias) if name in declared else ""
    if asked and alias and asked != alias:
        raise WrongUsage(f"MESSAGING['CONTEXTS'] says that {name} is in the database {alias}. Leave out --database.")
    chosen = asked or alias or DEFAULT_DB_ALIAS
    if chosen not in connections:
        raise WrongUsage(
            f"--database {chosen}: DATABASES has no such entry. It has: {', '.join(connections)}. Add one to your settings first, "
            f'for example: DATABASES["{chosen}"] = {{**DATABASES["default"], "NAME": {_name(chosen)}}}'
        )
    return chosen


def _name(alias: str) -> str:
    return f'BASE_DIR / "{alias}.sqlite3"' if connections[DEFAULT_DB_ALIAS].vendor == "sqlite" else f'"{alias}"'
