"""What an expression in the source stands for, as far as the survey follows it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db.models import Model

from messaging.boundaries.crossings.scopes import Scope

#: Models; more than one for an abstract class that several inherit from.
Classes = tuple[type[Model], ...]


@dataclass(frozen=True)
class Models:
    """A model class."""

    models: Classes


@dataclass(frozen=True)
class Rows:
    """A manager, a queryset, or a list of rows."""

    models: Classes
    #: The table that `add`, `remove`, `set` and `clear` write, for the rows of a many-to-many field.
    through: type[Model] | None = None


@dataclass(frozen=True)
class Row:
    """A row: an instance of a model."""

    models: Classes


@dataclass(frozen=True)
class Field:
    """A field of a model class, as in `Order.products`."""

    field: Any


@dataclass(frozen=True, eq=False)
class Own:
    """A class or a function of the surveyed source."""

    scope: Scope


@dataclass(frozen=True, eq=False)
class Instance:
    """An instance of a class of the surveyed source that isn't a model."""

    scope: Scope


@dataclass(frozen=True)
class Outside:
    """Anything else that has a dotted name."""

    name: str


Value = Models | Rows | Row | Field | Own | Instance | Outside


@cache
def related(model: type[Model], name: str) -> Value | None:
    """Return what an attribute of a row leads to, if it is a relation: another row, or rows."""
    for relation in model._meta.related_objects:
        if relation.get_accessor_name() == name:
            if relation.one_to_one:
                return Row((relation.related_model,))
            through = getattr(relation, "through", None)
            return Rows((relation.related_model,), through)
    field = model._meta._forward_fields_map.get(name)  # type: ignore[attr-defined]  # `get_field` also takes names of reverse relations
    if field is None or name != field.name or not field.related_model:  # a GenericForeignKey leads to any model
        return None
    if field.many_to_many:
        return Rows((field.related_model,), field.remote_field.through)
    return Rows((field.related_model,)) if field.one_to_many else Row((field.related_model,))
