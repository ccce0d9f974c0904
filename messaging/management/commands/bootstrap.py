"""`bootstrap billing --from users`: fill a new copy, beside live events."""

from argparse import ArgumentParser
from typing import Any

from celery import current_app

from messaging.events.text import plural
from messaging.management.authority import authority_errors_as_refusals, checked_page_size, checked_replica, consumer_and_authority
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, Refused, database_errors_as_refusals, spare_imports_from_collection
from messaging.management.output import row_bar
from messaging.replica import bootstrap, pull
from messaging.replica.replica import Replica


class Command(BaseCommand):
    help = "Fill a consumer's copy from the authority's feed, beside live events. Killed, it goes on behind its last page."

    def add_arguments(self, parser: ArgumentParser) -> None:
        consumer_and_authority(parser)
        parser.add_argument("--from-now", action="store_true", help="start at the head, empty; lookups fill it on a miss")
        parser.add_argument("--pause-consumer", action="store_true", help="hold the worker's queue until the copy is live")
        parser.add_argument("--page-size", type=int, default=pull.PAGE_ROWS, help=f"rows a page, {pull.PAGE_ROWS} by default")

    def handle(self, *args: Any, **options: Any) -> None:
        replica = checked_replica(options)
        size = checked_page_size(options["page_size"])
        spare_imports_from_collection()
        with (
            database_errors_as_refusals(replica.alias),
            authority_errors_as_refusals(replica.consumer, replica.authority),
            row_bar(self.stderr, f"{replica.authority} to {replica.consumer}") as bar,
        ):
            done = bootstrap.bootstrap(
                replica,
                current_app,
                from_now=options["from_now"],
                pause=options["pause_consumer"],
                page_size=size,
                expecting=bar.expect,
                progress=bar.advance,
            )
        self.result(options, done.as_dict(), _text(replica, done))
        if done.verdict == "drift":
            raise Found(f"The copy differs from the authority's facts. What differs: reconcile {replica}")
        if done.verdict == "unreachable":
            raise Refused(f"{replica.authority} didn't answer the comparison. Again, when it does: bootstrap {replica}")


def _text(replica: Replica, done: bootstrap.Bootstrapped) -> str:
    again = " (taken up again)" if done.resumed else ""
    read = f"{plural(done.rows, 'row')} in {plural(done.pages, 'page')}{again}, {done.rows_per_second} rows/s"
    what = {
        "in_sync": "fingerprints are equal",
        "drift": "fingerprints differ",
        "from_now": "empty from now on; lookups fill it",
        "unreachable": "the comparison got no answer",
    }[done.verdict]
    return f"{replica.consumer}'s copy of {replica.authority} is {done.state}: {read}; {what}."
