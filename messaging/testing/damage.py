"""Damage to a copy, so that a test sees its comparison find and repair it."""

import uuid
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import models
from django.db.models import F, Max

from messaging.database.columns import column
from messaging.database.keys import kind_of_key
from messaging.replica.replica import Replica

#: The kinds of drift that `plant_drift` can make; `messaging.replica.drift` describes them.
PLANTED: Final = ("missing", "stale", "corrupt", "ghost", "ahead")


def plant_drift(consumer: str, authority: str, kind: str) -> str:
    """Damage one row of a consumer's copy as bugs and people do, and return its id.

    Parameters
    ----------
    kind
        "missing": the row is deleted. "stale": it has an older version with another value. "corrupt": another value in the same
        version. "ghost": a row that the authority never had. "ahead": a higher version than the authority's.

    Raises
    ------
    ValueError
        There is no such kind, or the copy is empty.
    """
    if kind not in PLANTED:
        raise ValueError(f"{kind!r} is no kind of drift that can be planted. Use one of: {', '.join(PLANTED)}.")
    replica = Replica.of(consumer, authority)
    cache = replica.cache
    rows = cache.model._base_manager.using(replica.alias)
    row = rows.order_by("pk").first()
    if row is None:
        raise ValueError(f"The copy of {authority} in {consumer} is empty, so no row can be damaged.")
    chosen = rows.filter(pk=row.pk)
    if kind == "missing":
        chosen.delete()
    elif kind == "ghost":
        row.pk = _new_key(rows, cache.model._meta.pk)
        row._state.adding = True
        row.save(using=replica.alias)
    elif kind == "ahead":
        chosen.update(**{cache.version: F(cache.version) + 1})
    else:
        name = min(cache.fields)
        older = {cache.version: F(cache.version) - 1} if kind == "stale" else {}
        chosen.update(**{name: _other(getattr(row, column(cache.model, name).attname)), **older})
    return str(row.pk)


def _new_key(rows: "models.QuerySet[Any]", key: "models.Field[Any, Any]") -> Any:
    new: Mapping[str, Callable[[], Any]] = {
        "uuid": uuid.uuid4,
        "integer": lambda: rows.aggregate(last=Max("pk"))["last"] + 1,
        "text": lambda: f"ghost-{uuid.uuid4().hex[:8]}",
    }
    return new[kind_of_key(key)]()


def _other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | Decimal):
        return value + 1
    if isinstance(value, date):
        return value + timedelta(days=1)
    if isinstance(value, uuid.UUID):
        return uuid.uuid4()
    return "-" if value != "-" else "+"
