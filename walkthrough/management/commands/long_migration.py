"""`long_migration monolith --seconds 5`: hold the lock of a migration over a big table."""

from argparse import ArgumentParser
from typing import Any

from messaging.management.base import Command as BaseCommand
from messaging.management.base import WrongUsage, checked_context, database_errors_as_refusals
from walkthrough.control.table_locks import altering_users, hold

#: Contexts that have a table of users.
WITH_USERS = ("monolith", "users")
LONGEST = 60.0


class Command(BaseCommand):
    help = (
        "Add a column to a context's users table, in a transaction that stays open like a migration over many rows. Then roll it "
        "back. Nothing changes, but everybody who needs the lock waits."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("context", help=f"the context: {' or '.join(WITH_USERS)}")
        parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help=f"how long, at most {LONGEST:g} (5)")

    def handle(self, *args: Any, **options: Any) -> None:
        context, seconds = checked_context(options["context"]).name, options["seconds"]
        if context not in WITH_USERS:
            raise WrongUsage(f"{context} has no users table. Choose {' or '.join(WITH_USERS)}.")
        if not 0 < seconds <= LONGEST:
            raise WrongUsage(f"--seconds {seconds:g} is out of range. Choose more than 0 and at most {LONGEST:g}.")
        with database_errors_as_refusals(context), altering_users(context) as table:
            self.stderr.write(f"{table} is being altered, for {seconds:g} s.")
            hold(seconds)
        self.result(options, {"table": table, "seconds": seconds}, f"{table} was locked for {seconds:g} s; rolled back.")
