"""`catch_up billing --from users`: pull the changes after the checkpoint."""

from argparse import ArgumentParser
from typing import Any

from messaging.events.text import plural
from messaging.management.authority import authority_errors_as_refusals, checked_page_size, checked_replica, consumer_and_authority
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Refused, database_errors_as_refusals, spare_imports_from_collection
from messaging.management.progress import row_bar
from messaging.replica import pull


class Command(BaseCommand):
    help = "Pull the changes after a copy's checkpoint from the authority's feed. It needs no broker and no relay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        consumer_and_authority(parser)
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
            if replica.subscription().bootstrap_head is not None:
                raise Refused(f"The bootstrap of this copy isn't finished. Resume it: manage.py bootstrap {replica}")
            with replica.connected():
                done = pull.catch_up(replica, page_size=size, progress=bar.advance)
                pull.report(replica)
        values = {"applied": done.applied, "checkpoint": done.checkpoint, "head": done.head, "rows": done.rows}
        changes = plural(done.rows, "change")
        reached = f"{replica.consumer} has everything from {replica.authority} up to position {done.checkpoint}"
        self.result(options, values, f"{reached}: {changes} read, {done.applied:,} new.")
