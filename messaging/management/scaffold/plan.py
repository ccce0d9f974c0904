"""Everything about a new context that its files depend on, checked before the first is written."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models

from messaging import settings
from messaging.management.base import WrongUsage
from messaging.management.scaffold import names
from messaging.management.scaffold.facts import Fact
from messaging.management.scaffold.publishers import Publisher, publisher_of
from messaging.management.scaffold.sources import copied_facts, key_field, source_model
from messaging.publisher.feed import Feed


@dataclass(frozen=True)
class Plan:
    """A new context, which keeps a copy of a model's rows."""

    name: str
    alias: str  #: its database in `DATABASES`
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
        return names.key_of_copy(self.model)

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
    if folder not in {Path(place).resolve() for place in sys.path}:
        raise WrongUsage(f"New apps in {folder} couldn't be imported. Type the command in the folder of manage.py.")
    names.check_new_app(name, "The context", folder, "Choose another name for the new context.")
    source = source_model(model)
    found = publisher_of(source, publisher, folder, new=name)
    feed = found.feed
    identity = key_field(source, feed.key if feed else key or "pk")
    if feed and key and key != identity.name:
        raise WrongUsage(f"The feed of {found.name} has the key {identity.name}. Leave out --key.")
    facts = tuple(copied_facts(source, fields, identity, found))
    if not facts:
        raise WrongUsage("--fields names no fact. Name at least one field besides the key, for example --fields id,name")
    for fact in facts:
        names.check_fact(fact.name, names.key_of_copy(source))
    repeated = [fact.name for number, fact in enumerate(facts) if fact.name in {one.name for one in facts[:number]}]
    if repeated:
        raise WrongUsage(f"--fields names {repeated[0]} twice. Leave one out.")
    erased = _erased(feed, facts, found) if feed else None
    return Plan(name, _database(name, database), folder, source, identity, facts, found, erased)


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


def _name(alias: str, using: str = DEFAULT_DB_ALIAS) -> str:
    """The name of a further database like the first one."""
    return f'BASE_DIR / "{alias}.sqlite3"' if connections[using].vendor == "sqlite" else f'"{alias}"'
