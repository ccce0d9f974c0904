"""`migrate` is Django's command, but migrates every database of this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import DatabaseError, InterfaceError, connections

from config.runner.provisioning import place
from messaging.database import errors
from messaging.events.text import plural
from messaging.management.base import PlainErrors, database_errors_as_refusals


class EveryDatabase(migrate.Command):
    help = "Migrate every database of this process, one after the other; with --database only that one."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        option = next(action for action in parser._actions if action.dest == "database")
        option.default, option.help = None, "Migrate only this database. By default all of them."

    def get_check_kwargs(self, options: Any) -> Any:
        return {**super().get_check_kwargs(options), "databases": _chosen(options)}

    def check(self, *args: Any, **options: Any) -> None:
        with database_errors_as_refusals(*options["databases"]):
            super().check(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = _chosen(options)
        for alias in chosen:  # migrate nothing if one of them doesn't answer
            with _there(alias):
                connections[alias].ensure_connection()
        says = options["verbosity"] >= 1 and not options["check_unapplied"]
        for alias in chosen:
            if says and len(chosen) > 1:
                self.stdout.write(self.style.MIGRATE_HEADING(f"Database {alias}: {place(alias)}"))
            with _there(alias):
                super().handle(*args, **{**options, "database": alias})
        if says and len(chosen) > 1 and not options["plan"]:
            self.stdout.write(self.style.SUCCESS(f"Migrated {plural(len(chosen), 'database')}: {', '.join(chosen)}."))


class Command(PlainErrors, EveryDatabase):
    pass


def _chosen(options: dict[str, Any]) -> list[str]:
    return [options["database"]] if options["database"] else list(connections)


@contextmanager
def _there(alias: str) -> Iterator[None]:
    """Report a database that doesn't answer in a sentence. Other errors are the migration's and keep their traceback."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        if not errors.takes_nothing(error):
            raise
        with database_errors_as_refusals(alias):
            raise
