"""`catch_up billing --from users`: pull what changed since the checkpoint."""

from argparse import ArgumentParser
from typing import Any

from messaging.events.text import plural
from messaging.management.asking import authority_errors_as_refusals, checked_page_size, checked_pair, consumer_and_authority
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Refused, database_errors_as_refusals, spare_imports_from_collection
from messaging.management.output import row_bar
from messaging.replica import pull


class Command(BaseCommand):
    help = "Pull what changed since the checkpoint from the authority's feed. It needs no broker and no relay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        consumer_and_authority(parser)
        parser.add_argument("--page-size", type=int, default=pull.PAGE_ROWS, help=f"rows a page, {pull.PAGE_ROWS} by default")

    def handle(self, *args: Any, **options: Any) -> None:
        consumer, authority = checked_pair(options["consumer"], options["authority"])
        size = checked_page_size(options["page_size"])
        spare_imports_from_collection()
        with (
            database_errors_as_refusals(consumer),
            authority_errors_as_refusals(consumer, authority),
            row_bar(self.stderr, f"{authority} to {consumer}") as bar,
        ):
            row = pull.subscribed(consumer, authority)
            if row.bootstrap_head is not None:
                raise Refused(f"A bootstrap was begun and not finished. Go on with it: bootstrap {consumer} --from {authority}")
            done = pull.catch_up(consumer, authority, page_size=size, progress=bar.advance)
            pull.report(consumer, authority)
        values = {"applied": done.applied, "checkpoint": done.checkpoint, "head": done.head, "rows": done.rows}
        changes = plural(done.rows, "change")
        text = f"{consumer} has everything of {authority} up to {done.checkpoint}: {changes} read, {done.applied} new."
        self.result(options, values, text)
