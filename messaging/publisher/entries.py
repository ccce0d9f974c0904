"""An authority's register. An entry is changed by one statement, so concurrent changes don't overwrite each other."""

from typing import Any

from django.db.models import QuerySet

from messaging.errors import NotRegistered
from messaging.models import Consumer
from messaging.settings import context


def of(authority: str) -> "QuerySet[Consumer]":
    """The authority's whole register."""
    return Consumer.objects.of(context(authority).alias)


def get(authority: str, name: str) -> Consumer:
    """A consumer's entry. Raises `NotRegistered`."""
    entry = of(authority).filter(name=name).first()
    if entry is None:
        raise _not_registered(authority, name)
    return entry


def change(authority: str, name: str, **values: Any) -> Consumer:
    """Set columns of an entry to values or expressions. Returns the entry. Raises `NotRegistered`."""
    rows = of(authority).filter(name=name)
    if not rows.update(**values):
        raise _not_registered(authority, name)
    return rows.get()


def _not_registered(authority: str, name: str) -> NotRegistered:
    return NotRegistered(f"{name} is not registered with {authority}. To see who is: manage.py consumers list")
