"""Checks during tests that a context's code never uses another context's database, by any path.

Source scans (`messaging/boundaries/rules.py`) read the code; this guard observes statements. For each statement it finds the
context of the nearest context function on the Python stack. It skips messaging, Django, the walkthrough and tests, so a helper
between can't hide the context. Sentry guards its silos by captured SQL in a similar way (https://github.com/getsentry/sentry,
`sentry/testutils/hybrid_cloud.py`).
"""

import sys
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from messaging.settings import contexts


class BoundaryCrossed(AssertionError):
    """A context's code ran a statement on another context's database."""


@contextmanager
def guarding() -> Iterator[None]:
    """Raise `BoundaryCrossed` at each statement, in any thread, that a context's code runs on another context's database."""
    aliases = {name: context.alias for name, context in contexts().items()}
    guarded: list[BaseDatabaseWrapper] = []

    def guard(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        frame, owner = _nearest(sys._getframe(1), aliases)
        alias = context["connection"].alias
        if frame is not None and aliases[owner] != alias:
            raise BoundaryCrossed(_sentence(frame, owner, alias, sql))
        return execute(sql, params, many, context)

    def install(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if connection.alias in aliases.values() and guard not in connection.execute_wrappers:
            # Outermost, and before wrappers that others add and remove (`execute_wrapper` removes the last one).
            connection.execute_wrappers.insert(0, guard)
            guarded.append(connection)

    for alias in aliases.values():
        install(connections[alias])
    # Each thread has its own connections; those of other threads are guarded when they open.
    connection_created.connect(install, weak=False)
    try:
        yield
    finally:
        connection_created.disconnect(install)
        for connection in guarded:
            if guard in connection.execute_wrappers:
                connection.execute_wrappers.remove(guard)


def _nearest(frame: FrameType | None, contexts: Container[str]) -> tuple[FrameType | None, str]:
    while frame is not None:
        package = (frame.f_globals.get("__name__") or "").partition(".")[0]
        if package in contexts:
            return frame, package
        frame = frame.f_back
    return None, ""


def _sentence(frame: FrameType, owner: str, alias: str, sql: Any) -> str:
    code = frame.f_code
    start = " ".join(str(sql).split()[:8])
    return (
        f"{frame.f_globals['__name__']}.{code.co_name} ({code.co_filename}:{frame.f_lineno}) belongs to {owner}, and it ran a "
        f"statement on the database of {alias}: {start} … Take {alias}'s facts by events or from its API."
    )
