"""`seed --users N` makes demo users in the authority; `seed --csv FILE` imports real ones."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.db import IntegrityError

from messaging.events import plural
from messaging.management import Command as BaseCommand
from messaging.management import Found, WrongUsage, database_errors_as_refusals, progress_bar
from users import exports, seeding
from users.models import User


class Command(BaseCommand):
    help = "Make demo users, or import a CSV export of auth_user. Records no events by default, as if the event history were lost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--users", type=int, metavar="N", help="make N more demo users")
        source.add_argument("--csv", type=Path, metavar="FILE", help=f"import a CSV file with the columns {exports.COLUMNS}")
        parser.add_argument("--suspended", type=float, metavar="F", help="the share of demo users to suspend, 0 to 1 (default 0)")
        parser.add_argument("--random-seed", type=int, metavar="K", help="make another series of demo users (default 0)")
        parser.add_argument("--skip-bad", action="store_true", help="import the good rows of a file that has bad rows")
        parser.add_argument("--with-events", action="store_true", help="record a UserCreated event for each user")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["csv"]:
            self._import(options)
        else:
            self._make_up(options)

    def _make_up(self, options: dict[str, Any]) -> None:
        count, suspended = options["users"], options["suspended"] or 0.0
        if count < 0:
            raise WrongUsage(f"--users {count}: it can't be less than 0.")
        if not 0 <= suspended <= 1:
            raise WrongUsage(f"--suspended {suspended}: use a share from 0 to 1.")
        if options["skip_bad"]:
            raise WrongUsage("--skip-bad is only for --csv.")
        users = seeding.demo_users(count, suspended=suspended, seed=options["random_seed"] or 0)
        self._save(users, count, 0, options)

    def _import(self, options: dict[str, Any]) -> None:
        if options["suspended"] is not None or options["random_seed"] is not None:
            raise WrongUsage("--suspended and --random-seed are only for --users.")
        try:
            with database_errors_as_refusals(seeding.DATABASE), exports.read_export(options["csv"]) as export:
                self._import_rows(export, options)
        except exports.UnreadableExport as error:
            raise WrongUsage(str(error)) from None

    def _import_rows(self, export: exports.Export, options: dict[str, Any]) -> None:
        for row in export.bad_rows():
            self.stderr.write(f"line {row.line}: {row.reason}")
        good, bad = export.good, export.bad
        if bad and not options["skip_bad"]:
            self.result(options, {"users": 0, "suspended": 0, "events": 0, "bad": bad}, "No users imported.")
            raise Found(f"{plural(bad, 'bad row')} of {bad + good}. Correct the file, or add --skip-bad.")
        self._save((row.user() for row in export.rows()), good, bad, options)

    def _save(self, users: Any, total: int, bad: int, options: dict[str, Any]) -> None:
        suspended = done = 0

        def counted() -> Any:
            nonlocal suspended
            for user in users:
                suspended += user.status == User.Status.SUSPENDED
                yield user

        try:
            with database_errors_as_refusals(seeding.DATABASE), progress_bar(self.stderr, "users", total) as progress:
                done = seeding.save(counted(), with_events=options["with_events"], progress=progress)
        except IntegrityError as error:
            raise Found("Another process saved one of these users too. Those before it stay; run the command again.") from error
        events = done if options["with_events"] else 0
        recorded = plural(events, "event") if events else "without events"
        text = f"{plural(done, 'user')} saved ({suspended} suspended), {recorded}."
        if bad:
            text += f" {plural(bad, 'bad row')} skipped."
        self.result(options, {"users": done, "suspended": suspended, "events": events, "bad": bad}, text)
