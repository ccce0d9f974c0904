"""One consumer's entry in an authority's register: changed by one statement, so that two who change it don't undo each other."""

from typing import Any

from messaging.errors import NotRegistered
from messaging.models import Consumer


def change(authority: str, name: str, **values: Any) -> Consumer:
    """Set columns of an entry, to values or expressions. Returns the entry; raises `NotRegistered`."""
    rows = Consumer.objects.using(authority).filter(pk=name)
    if not rows.update(**values):
        raise NotRegistered(f"{name} is not registered with {authority}. Who is: consumers list")
    return rows.get()
