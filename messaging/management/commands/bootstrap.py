"""`bootstrap billing --from users`: fill a new copy from the authority's feed."""

from argparse import ArgumentParser
from typing import Any

from messaging.celery import app
from messaging.events.text import plural
from messaging.management.authority import authority_errors_as_refusals, checked_page_size, checked_replica, consumer_and_authority
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, Refused, database_errors_as_refusals, spare_imports_from_collection
from messaging.management.progress import row_bar
from messaging.replica import bootstrap, pull
from messaging.replica.replica import Replica


class Command(BaseCommand):
    help = (
        "Fill a consumer's copy from the authority's feed while live events arrive, then compare the copy and the authority by "
        "fingerprints. If it is interrupted, the same command resumes after its last page. Exit code 1 if the copy differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        consumer_and_authority(parser)
        parser.add_argument("--from-now", action="store_true", help="start empty; lookups and later events fill the copy")
        parser.add_argument("--pause-consumer", action="store_true", help="pause the consumer's queue until the copy is live")
        parser.add_argument(
            "--page-size", type=int, default=pull.PAGE_ROWS, metavar="N", help="rows per page (default %(default)s)"
        )

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
                app,
                from_now=options["from_now"],
                pause=options["pause_consumer"],
                page_size=size,
                expecting=bar.expect,
                progress=bar.advance,
            )
        self.result(options, done.as_dict(), _text(replica, done))
        if done.verdict == "drift":
            raise Found(f"The copy differs from the authority. To see the rows: manage.py reconcile {replica}")
        if done.verdict == "unreachable":
            raise Refused(f"{replica.authority} didn't answer the comparison. When it answers again: manage.py bootstrap {replica}")


def _text(replica: Replica, done: bootstrap.Bootstrapped) -> str:
    again = " (resumed)" if done.resumed else ""
    read = f"{plural(done.rows, 'row')} in {plural(done.pages, 'page')}{again}, {done.rows_per_second:,} rows/s"
    what = {
        "in_sync": "fingerprints are equal",
        "drift": "fingerprints differ",
        "from_now": "it begins empty, and lookups fill it",
        "unreachable": "the comparison got no answer",
    }[done.verdict]
    return f"The copy of {replica.authority} in {replica.consumer} is {done.state}: {read}; {what}."
