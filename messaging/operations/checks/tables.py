"""The tables of tracked models, and the triggers on them."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django_outbox_pattern.models import Published, Received

from messaging.database.table_state import Kind, TableState, states
from messaging.database.tracked import Tracked, quoted_table
from messaging.operations.checks import declared


@register(Tags.database)
def tracked_tables(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """A tracked table isn't there or can't be tracked, or its triggers are missing or stale. One query of the catalog finds all.

    Most are warnings, because an error would stop the `migrate` that corrects them. Nothing is reported before the first `migrate`.
    """
    found: list[CheckMessage] = []
    for using in declared.aliases(databases or ()):
        tables = declared.tracked(using)
        known = states(using, tables)
        for tracked in tables:
            if tracked.aggregate in known:
                found += _messages(using, tracked, known[tracked.aggregate])
    return found


def ledger_triggers_are_there(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """Of `tracked_tables`, only messaging.W003: a worker refuses to start with it."""
    return [message for message in tracked_tables(app_configs, databases) if message.id == "messaging.W003"]


def _messages(using: str, tracked: Tracked, state: TableState) -> Iterator[CheckMessage]:
    migrate = f"Run `manage.py migrate --database {using}`"
    if state.kind is None:
        yield Warning(
            f"{tracked.aggregate} has no table: the database {using!r} has no {tracked.table}.",
            hint=f'{migrate}, or name the database that has it: MESSAGING["CONTEXTS"]["{tracked.context}"]["database"].',
            id="messaging.W014",
        )
    if state.kind in (Kind.VIEW, Kind.FOREIGN, Kind.VIRTUAL):
        yield Error(
            f"{tracked.aggregate} is the {state.kind} {tracked.table}, and no trigger sees all changes of its rows.",
            hint="Publish the tables that its rows come from, each in a feed of its own, in a context of their database.",
            id="messaging.E006",
        )
    if state.missing:
        yield Warning(
            f"The table of {tracked.aggregate} has no ledger trigger, so its changes get no version.",
            hint=f"{migrate}.",
            id="messaging.W003",
        )
    elif state.stale:
        yield Warning(
            f"The trigger {state.stale[0]} of {tracked.aggregate} isn't the one of its declaration and this release, so it may "
            "count the wrong key, aggregate, tombstone or columns.",
            hint=f"{migrate}.",
            id="messaging.W008",
        )
    if state.kind == Kind.PARTITIONED:
        yield Warning(
            f"{tracked.aggregate} is the partitioned table {tracked.table}. TRUNCATE, ATTACH, DETACH and DROP of one partition "
            "fire no trigger.",
            hint=f"After each of them run `manage.py republish {tracked.context}`, or wait for the next comparison. If you know "
            'that: SILENCED_SYSTEM_CHECKS = ["messaging.W011"].',
            id="messaging.W011",
        )


@register(Tags.database)
def tables_survive_a_crash(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W012: PostgreSQL empties an unlogged table after a crash, and fires no trigger for it."""
    found: list[CheckMessage] = []
    for using in declared.aliases(databases or ()):
        if connections[using].vendor != "postgresql":
            continue
        copies = (model for name in declared.contexts([using]) for model in declared.copies(name))
        models = (*apps.get_app_config("messaging").get_models(), Published, Received, *copies)
        tables = {quoted_table(model._meta.db_table) for model in models} | {one.quoted for one in declared.tracked(using)}
        with connections[using].cursor() as cursor:
            cursor.execute(
                "SELECT w.name FROM unnest(%s::text[]) AS w (name) JOIN pg_class c ON c.oid = to_regclass(w.name) "
                "WHERE c.relpersistence = 'u' ORDER BY w.name",
                [sorted(tables)],
            )
            found += [
                Warning(
                    f"The table {table} of the database {using!r} is unlogged: after a crash PostgreSQL empties it, and no trigger "
                    "notices.",
                    hint=f"Type in `manage.py dbshell --database {using}`: ALTER TABLE {table} SET LOGGED;",
                    id="messaging.W012",
                )
                for (table,) in cursor.fetchall()
            ]
    return found
