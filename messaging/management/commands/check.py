"""`check --database users`: Django's command, which prints a traceback if a database doesn't answer and ignores missing tables.

This one reports both as a sentence.
"""

from typing import Any

from django.core.management.commands.check import Command as CheckCommand
from django.db import connections

from messaging import settings
from messaging.management.base import PlainErrors, Refused, database_errors_as_refusals
from messaging.models import Consumer


class Command(PlainErrors, CheckCommand):
    def handle(self, *app_labels: Any, **options: Any) -> None:
        asked = options["databases"] or []
        aliases = {context.alias for context in settings.contexts().values()}
        with database_errors_as_refusals(*asked or connections):  # without --database, Django 6.1 may open any of them
            super().handle(*app_labels, **options)
            empty = [name for name in asked if name in aliases and not _has_tables(name)]
        if empty:
            raise Refused(
                f"The database of {empty[0]} has no tables yet, so it can't be checked. "
                f"Create them: manage.py migrate --database {empty[0]}"
            )


def _has_tables(using: str) -> bool:
    return Consumer._meta.db_table in connections[using].introspection.table_names()
