"""`copy_directly`: fill billing's copy by reading users' database (`walkthrough/scenarios/direct_select.py`)."""

from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.db import OperationalError, ProgrammingError

from messaging.events.text import plural, said
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found
from walkthrough.scenarios import direct_select


class Command(BaseCommand):
    help = "Fill billing's copy with SQL on users' own table. Chapter 5 of the walkthrough shows what that costs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--year-later", action="store_true", help="read a copy of the table as it is a year later, with a renamed column"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with direct_select.year_later() if options["year_later"] else nullcontext(direct_select.TODAY) as table:
            try:
                number = direct_select.copy_directly(table)
            except (OperationalError, ProgrammingError) as error:
                raise Found(f"{table} can't be read: {said(error)}") from None
        self.result(options, {"copied": number}, f"Copied {plural(number, 'row')} from {table}.")
