"""Refuses commands of django-outbox-pattern that do harm here, and says why."""

from argparse import REMAINDER, ArgumentParser
from importlib import import_module
from typing import Any

from django.db import router

from messaging.management.base import Command, Refused, checked_context


class Replaced(Command):
    """Refuses, unless `--database` names a context. Then the package's command runs on that context's tables."""

    name: str
    reason: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--database", metavar="CONTEXT", help="run the package's command anyway, on this context's tables (first option)"
        )
        parser.add_argument("words", nargs=REMAINDER, metavar="ARGUMENT", help="an argument or option of the package's command")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["database"]:
            raise Refused(f"{self.reason} To run it anyway on one context's tables: --database users.")
        # The package names no database. Nothing else runs in this process.
        router.routers = [Only(checked_context(options["database"]).alias)]
        theirs = import_module(f"django_outbox_pattern.management.commands.{self.name}").Command()
        theirs.run_from_argv(["manage.py", self.name, *options["words"]])


class Only:
    """A router that places every table in one database."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_read(self, *args: object, **hints: object) -> str:
        return self.alias

    db_for_write = db_for_read
