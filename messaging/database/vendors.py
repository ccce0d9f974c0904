"""Pick the implementation for the database behind an alias."""

from collections.abc import Mapping
from typing import TypeVar

from django.db import connections

Choice = TypeVar("Choice")


def by_vendor(using: str, choices: Mapping[str, Choice]) -> Choice:
    """Pick the choice for the database behind an alias, by Django's name of its vendor. Raises `NotImplementedError` for another
    vendor than PostgreSQL and SQLite."""
    vendor = connections[using].vendor
    if vendor not in choices:
        raise NotImplementedError(f"{vendor} is not supported: messaging needs PostgreSQL or SQLite.")
    return choices[vendor]
