"""The apps whose tables a lookup path reaches, as in `lines__stockrecord__partner`. Django itself resolves the path."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldError
from django.db import models
from django.db.models.constants import LOOKUP_SEP
from django.db.models.sql import Query

from messaging.boundaries.crossings.values import Row, Rows, related


def reached(model: type[models.Model], path: str, *, whole: bool = False, ordered: bool = False) -> set[str]:
    """Return the labels of the apps that a path of a query leads into from another app's table.

    Parameters
    ----------
    whole
        The row at the end is read too, as by `select_related("partner")`. Otherwise a foreign key at the end is compared without
        a look at the other table, as in `filter(partner=3)`.
    ordered
        The path sorts. A foreign key at the end then reads the other table if that model has an ordering.
    """
    try:
        steps, final, targets, _ = Query(model).names_to_path(path.split(LOOKUP_SEP), model._meta)
    except FieldError:  # no field of this model: an annotation, or another model's path
        return set()
    if ordered and getattr(final, "related_model", None) and final.related_model._meta.ordering:
        whole = True
    return _crossed(model, steps if whole else _joined(steps, targets))


def prefetched(model: type[models.Model], path: str) -> set[str]:
    """Return the same for a path of `prefetch_related`, which consists of attributes."""
    found = set()
    for name in path.split(LOOKUP_SEP):
        value = related(model, name)
        if not isinstance(value, Row | Rows):
            break
        here, (model,) = model, value.models
        found |= _changed(here, model)
    return found


def _joined(steps: list[Any], targets: Iterable[Any]) -> list[Any]:
    """Leave out the joins at the end that Django doesn't make, because the foreign key's own column has the value."""
    steps = list(steps)
    columns = {target.column for target in targets}
    while steps and steps[-1].direct and not steps[-1].m2m:
        pairs = {away.column: near.column for near, away in steps[-1].join_field.related_fields}
        if not columns <= pairs.keys():
            break
        columns = {pairs[column] for column in columns}
        steps.pop()
    return steps


def _crossed(model: type[models.Model], steps: Iterable[Any]) -> set[str]:
    found = set()
    for step in steps:
        # A child's row continues in its parent's table. That isn't a path: the foreign key between them is the crossing.
        if getattr(getattr(step.join_field, "remote_field", None), "parent_link", False):
            continue
        here, model = model, step.to_opts.model
        found |= _changed(here, model)
    return found


def _changed(here: type[models.Model], there: type[models.Model]) -> set[str]:
    return {there._meta.app_label} - {here._meta.app_label}
