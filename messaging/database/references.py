"""Which of a model's rows foreign keys refer to. Django's `delete()` cascades to the rows that refer to them, which this package
must not delete."""

from collections.abc import Collection
from typing import Any

from django.db import models


def pointed_at(model: type[models.Model], using: str, ids: Collection[Any], *, by: Any = None) -> set[Any]:
    """Primary keys of those rows that a foreign key refers to. `by`: only foreign keys with this `on_delete`."""
    found: set[Any] = set()
    for relation in model._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel) or (by is not None and relation.on_delete is not by):
            continue
        name = relation.field.name
        rows = relation.related_model._base_manager.using(using).filter(**{f"{name}__pk__in": ids})  # type: ignore[union-attr]
        found.update(rows.values_list(f"{name}__pk", flat=True))
    return found


def delete_unreferenced(model: type[models.Model], using: str, ids: Collection[Any]) -> frozenset[Any]:
    """Delete, in the caller's transaction, those rows that no foreign key refers to. Returns their primary keys."""
    rows = model._base_manager.using(using).filter(pk__in=ids)
    # Locked first: a new foreign key to one of them waits, and is refused when the row is gone.
    there = set(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
    free = frozenset(there - pointed_at(model, using, there))
    if free:
        model._base_manager.using(using).filter(pk__in=free)._raw_delete(using)
    return free
