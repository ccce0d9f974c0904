"""Commands of django-outbox-pattern that do harm here, behind a refusal that says why."""

from argparse import REMAINDER, ArgumentParser
from importlib import import_module
from typing import Any

from django.db import router

from messaging.management.base import Command, Refused, checked_context


class Replaced(Command):
    """Refuses, unless `--database` names a context; then the package's own command runs on that context's tables."""

    name: str
    reason: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--database", metavar="CONTEXT", help="run the package's command all the same, on this context's tables; comes first"
        )
        parser.add_argument("words", nargs=REMAINDER, metavar="ARGUMENT", help="what the package's command takes, options too")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["database"]:
            raise Refused(f"{self.reason} To run it all the same, on one context's tables: --database users.")
        # The package names no database; this process is for it alone.
        router.routers = [Only(checked_context(options["database"]).alias)]
        theirs = import_module(f"django_outbox_pattern.management.commands.{self.name}").Command()
        theirs.run_from_argv(["manage.py", self.name, *options["words"]])


class Only:
    """Every table is in one database."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_read(self, *args: object, **hints: object) -> str:
        return self.alias

    db_for_write = db_for_read
