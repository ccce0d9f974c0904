"""Checks during tests that a context's code never uses another context's database or tables, by any path.

Source scans (`messaging/boundaries/rules.py`) read the code; this guard observes statements. For each statement it finds the
context of the nearest context function on the Python stack. It skips messaging, Django, the walkthrough and tests, so a helper
between can't hide the context. Contexts may share a database, so the owner of each table that a statement names counts too.
Sentry guards its silos by captured SQL in a similar way (https://github.com/getsentry/sentry,
`sentry/testutils/hybrid_cloud.py`).
"""

import re
import sys
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from messaging.settings import contexts


class BoundaryCrossed(AssertionError):
    """A context's code ran a statement on another context's database or table."""


@contextmanager
def guarding() -> Iterator[None]:
    """Raise `BoundaryCrossed` at each statement, in any thread, that a context's code runs on what another context owns."""
    aliases = {name: context.alias for name, context in contexts().items()}
    owners, names = _tables(aliases)
    guarded: list[BaseDatabaseWrapper] = []

    def guard(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        frame, owner = _nearest(sys._getframe(1), aliases)
        if frame is None:
            return execute(sql, params, many, context)
        alias = context["connection"].alias
        if aliases[owner] != alias:
            raise BoundaryCrossed(_sentence(frame, owner, f"the database of {alias}", alias, sql))
        for other in {owners[table] for table in names.findall(str(sql))} - {owner}:
            raise BoundaryCrossed(_sentence(frame, owner, f"the table of {other}", other, sql))
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


def _tables(contexts: Container[str]) -> tuple[dict[str, str], "re.Pattern[str]"]:
    """Return the owner of each context's table, and a pattern that finds their names in a statement."""
    owned = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in contexts]
    owners = {model._meta.db_table: model._meta.app_label for model in owned if not model._meta.proxy}
    words = "|".join(re.escape(table) for table in sorted(owners, key=len, reverse=True))
    return owners, re.compile(rf"(?<!\w)(?:{words})(?!\w)" if words else r"(?!)")


def _sentence(frame: FrameType, owner: str, what: str, other: str, sql: Any) -> str:
    code = frame.f_code
    start = " ".join(str(sql).split()[:8])
    return (
        f"{frame.f_globals['__name__']}.{code.co_name} ({code.co_filename}:{frame.f_lineno}) belongs to {owner}, and it ran a "
        f"statement on {what}: {start} … Take {other}'s facts by events or from its API."
    )
