"""Which of the two databases is behind an alias. What has the same shape on both is chosen here."""

from collections.abc import Mapping
from typing import TypeVar

from django.db import connections

Choice = TypeVar("Choice")


def by_vendor(using: str, choices: Mapping[str, Choice]) -> Choice:
    """What is for the database behind an alias.

    Parameters
    ----------
    using
        The alias.
    choices
        What there is, by Django's name of the vendor: `postgresql` and `sqlite`.

    Raises
    ------
    NotImplementedError
        The alias leads to another vendor's database.
    """
    vendor = connections[using].vendor
    if vendor not in choices:
        raise NotImplementedError(f"{vendor} is not supported: messaging needs PostgreSQL or SQLite.")
    return choices[vendor]
