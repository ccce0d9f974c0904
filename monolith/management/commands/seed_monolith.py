"""`seed_monolith --users N`: made-up users with last month's invoices, in the monolith."""

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
    help = "Demo users in the monolith, each active one with an invoice for last month."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=int, required=True, metavar="N", help="make up N more users")
        parser.add_argument("--suspended", type=float, default=0.0, metavar="F", help="the share that is suspended, 0 to 1")
        parser.add_argument("--invoices", metavar="YYYY-MM", help="the month that they are invoiced for; by default the last one")
        parser.add_argument("--random-seed", type=int, default=0, metavar="K", help="another series of made-up users (default 0)")

    def handle(self, *args: Any, **options: Any) -> None:
        count, suspended = options["users"], options["suspended"]
        period = seeding.last_month(timezone.now().date()) if options["invoices"] is None else options["invoices"]
        if count < 0:
            raise WrongUsage(f"--users {count}: it can't be less than 0.")
        if not 0 <= suspended <= 1:
            raise WrongUsage(f"--suspended {suspended}: it is a share, from 0 to 1.")
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
            raise Found("Somebody else wrote one of these users just now. What was saved before it stays; run it again.") from error
        text = f"{plural(done, 'user')} in the monolith; {plural(invoices, 'invoice')} for {period}."
        self.result(options, {"users": done, "period": period, "invoices": invoices}, text)
