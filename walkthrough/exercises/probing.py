"""The building blocks of an exercise's check. A check is a module of probes. Each probe makes a claim about the reader's code:

@probe("A suspension is recorded as one event.")
def one_event() -> None:
    …
    lacks_unless(len(found) == 1, f"user_suspend recorded {len(found)} events.")

Each probe begins with empty tables. It may use all of the shop and of `messaging`; these run as in production.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.db import DatabaseError, connections


@dataclass(frozen=True)
class Probe:
    """A claim, and the function that checks it."""

    claim: str
    run: Callable[[], None]


#: The probes of the check that this process runs, in their order.
PROBES: list[Probe] = []


class Lacks(Exception):
    """The reader's code lacks something; the text says what."""


def probe(claim: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Add a function to the check."""

    def add(run: Callable[[], None]) -> Callable[[], None]:
        PROBES.append(Probe(claim, run))
        return run

    return add


def lacks_unless(holds: Any, what: str) -> None:
    """Raise `Lacks` with this sentence if `holds` is false."""
    if not holds:
        raise Lacks(what)


def manage(*arguments: str) -> None:
    """Run a management command of the shop."""
    call_command(*arguments, stdout=StringIO(), stderr=StringIO())


def mine(module: str) -> Any:
    """One of the reader's modules."""
    return import_module(module)


@contextmanager
def refusing(table: str, alias: str, what: str = "INSERT") -> Iterator[None]:
    """Let the database refuse writes to a table, as if the process died there. The block swallows the database's error."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"CREATE TRIGGER refusing BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'refused by the check'); END")
    try:
        with suppress(DatabaseError):
            yield
    finally:
        with connections[alias].cursor() as cursor:
            cursor.execute("DROP TRIGGER refusing")


def register_and_bootstrap() -> None:
    """Register billing at users, and fill its copy from the feed."""
    manage("consumers", "register", "billing", "--to", "users")
    manage("bootstrap", "billing", "--from", "users")


def new_id() -> uuid.UUID:
    return uuid.uuid4()
