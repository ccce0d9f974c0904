"""`seed_monolith --users N` makes demo users with last month's invoices in the monolith."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from messaging.events import plural
from messaging.management import Command as BaseCommand
from messaging.management import Found, WrongUsage, database_errors_as_refusals, progress_bar
from monolith import seeding, services


class Command(BaseCommand):
    help = "Make demo users in the monolith, and invoice every active user for last month."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=int, required=True, metavar="N", help="make N more demo users")
        parser.add_argument("--suspended", type=float, default=0.0, metavar="F", help="the share to suspend, 0 to 1 (default 0)")
        parser.add_argument("--invoices", metavar="YYYY-MM", help="the month to invoice, such as 2026-11 (default: last month)")
        parser.add_argument("--random-seed", type=int, default=0, metavar="K", help="make another series of users (default 0)")

    def handle(self, *args: Any, **options: Any) -> None:
        count, suspended = options["users"], options["suspended"]
        period = seeding.last_month(timezone.now().date()) if options["invoices"] is None else options["invoices"]
        if count < 0:
            raise WrongUsage(f"--users {count}: it can't be less than 0.")
        if not 0 <= suspended <= 1:
            raise WrongUsage(f"--suspended {suspended}: use a share from 0 to 1.")
        try:
            services.check_period(period)
        except ValidationError as error:
            raise WrongUsage(" ".join(error.messages)) from None
        users = seeding.demo_users(count, suspended=suspended, seed=options["random_seed"])
        try:
            with database_errors_as_refusals(seeding.DATABASE), progress_bar(self.stderr, "users", count) as progress:
                done = seeding.save(users, progress=progress)
                invoices = services.generate_invoices(period)
        except IntegrityError as error:
            raise Found("Another process saved one of these users too. Those before it stay; run the command again.") from error
        text = f"{plural(done, 'user')} saved in the monolith; {plural(invoices, 'invoice')} issued for {period}."
        self.result(options, {"users": done, "period": period, "invoices": invoices}, text)
