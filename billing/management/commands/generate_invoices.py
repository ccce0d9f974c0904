"""`generate_invoices --period 2026-11`: invoices to every active user, once."""

from argparse import ArgumentParser
from typing import Any

from django.db import InterfaceError, OperationalError

from billing.errors import InvalidPeriod
from billing.selectors import cached_users_count_by_status
from billing.services import invoices_generate
from messaging.cli import Command as BaseCommand
from messaging.cli import Found, WrongUsage
from messaging.console import progress_bar


class Command(BaseCommand):
    help = "Invoice every active user for a month, once. Safe to repeat and to interrupt."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--period", required=True, metavar="YYYY-MM", help="the month, as 2026-11")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            active = cached_users_count_by_status().get("active", 0)
            with progress_bar(self.stderr, "active users", active) as progress:
                run = invoices_generate(period=options["period"], progress=progress)
        except InvalidPeriod as error:
            raise WrongUsage(str(error)) from None
        except (OperationalError, InterfaceError) as error:
            raise Found(
                "Billing's database stopped answering. Run it again: what is issued stays, and nobody is billed twice."
            ) from error
        values = {"issued": run.issued, "skipped": run.skipped, "held": 0, "reason": "", "already": run.already}
        text = f"{run.issued} invoices issued for {options['period']}; {run.skipped} users skipped, {run.already} invoiced before."
        self.result(options, values, text)
