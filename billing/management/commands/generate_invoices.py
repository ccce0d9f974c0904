"""`generate_invoices --period 2026-11` invoices every active user once, if the copy of the users is fresh enough."""

from argparse import ArgumentParser
from typing import Any

from billing.errors import InvalidPeriod, SourceAway
from billing.models import Cutover
from billing.selectors import cached_users_count_by_status, cutover
from billing.services import AUTHORITY, CONTEXT, DATABASE, MAX_STALENESS, Run, invoices_generate
from messaging.events import plural
from messaging.management import Command as BaseCommand
from messaging.management import Refused, WrongUsage, database_errors_as_refusals, duration, progress_bar
from messaging.replica import Policy, span_in_words


class Command(BaseCommand):
    help = "Invoice every active user once for a month. Safe to repeat and to interrupt."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--period", required=True, metavar="YYYY-MM", help="the month, such as 2026-11")
        parser.add_argument(
            "--max-staleness",
            metavar="AGE",
            help=f"the greatest accepted age of the copy of {AUTHORITY}, such as 90s, 15m or 1h (default "
            f"{span_in_words(MAX_STALENESS)}; with no --policy either, an age that was never measured is accepted too)",
        )
        parser.add_argument(
            "--policy",
            choices=[policy.value for policy in Policy],
            help="if it is older: hold (issue none, exit 3; the default), ask (look up each user first), proceed (issue anyway)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        bound = duration(options["max_staleness"], "--max-staleness") if options["max_staleness"] is not None else None
        policy = Policy(options["policy"]) if options["policy"] else None
        try:
            with database_errors_as_refusals(DATABASE), progress_bar(self.stderr, "users", _expected()) as progress:
                run = invoices_generate(period=options["period"], policy=policy, max_staleness=bound, progress=progress)
        except InvalidPeriod as error:
            raise WrongUsage(str(error)) from None
        except SourceAway as error:
            raise Refused(f"{error} To read from another source: manage.py cutover {CONTEXT} --to api, or --to cache.") from None
        names = "issued", "skipped", "held", "reason", "already", "source", "calls"
        values = {name: getattr(run, name) for name in names} | {"seconds": round(run.seconds, 3)}
        self.result(options, values, _in_words(run, options["period"]))
        if run.refused:
            raise Refused(f"{plural(run.held, 'user is', 'users are')} held. {run.reason} {_todo(run, policy)}")


def _expected() -> int | None:
    """The number of users that a run reads; None if another context has them."""
    return cached_users_count_by_status().get("active", 0) if cutover().source == Cutover.Source.CACHE else None


def _todo(run: Run, policy: Policy | None) -> str:
    if run.away:
        who = "the monolith" if run.source == Cutover.Source.MONOLITH else AUTHORITY
        return f"{_again(who)} Or read from the copy: manage.py cutover {CONTEXT} --to cache."
    if policy is Policy.ASK:
        return _again(AUTHORITY)
    return (
        f"Run: manage.py catch_up {CONTEXT} --from {AUTHORITY}, then this command again. Or use --policy ask or --policy proceed."
    )


def _again(who: str) -> str:
    return f"Run this command again when {who} answers. Issued invoices stay, and nobody is billed twice."


def _in_words(run: Run, period: str) -> str:
    text = (
        f"{plural(run.issued, 'invoice')} issued for {period}; {plural(run.skipped, 'user')} skipped, {run.already} invoiced before"
    )
    if run.refused:  # the reason follows as the error
        return f"{text}, {run.held} held.{_cost(run)}"
    return f"{text}. {run.reason}".rstrip() + _cost(run)


def _cost(run: Run) -> str:
    """The cost of the calls to another context; empty if there were none."""
    if not run.calls:
        return ""
    return f" Read from {run.source}: {plural(run.calls, 'call')}, {run.seconds:.2f} s."
