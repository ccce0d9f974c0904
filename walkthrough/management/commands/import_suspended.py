"""`import_suspended`: import suspended users once (`walkthrough/scenarios/one_time_import.py`)."""

from typing import Any

from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Refused, database_errors_as_refusals
from walkthrough.scenarios import one_time_import


class Command(BaseCommand):
    help = "Import users' suspended users into billing's copy, once. Delete this command after the deploy."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with database_errors_as_refusals("users", "billing"):
                number = one_time_import.import_suspended(one_time_import.Users())
        except one_time_import.NotNow as reason:
            raise Refused(str(reason)) from None
        self.result(options, {"imported": number}, f"Imported {plural(number, 'suspended user')}.")
