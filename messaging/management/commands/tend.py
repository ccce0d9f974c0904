"""`tend billing`: keep a context's copies complete."""

import logging
import signal
from argparse import ArgumentParser
from typing import Any

from messaging.management.base import Command as BaseCommand
from messaging.management.base import checked_context, context_argument, duration
from messaging.replica.sync import SyncProcess

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Run the sync process, which keeps a context's copies complete, until stopped (Ctrl-C, SIGTERM). It pulls changes that "
        "never arrived, reads the feed while the broker is silent, and compares the copies with their authorities every 5 minutes "
        "(--compare-every)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "consumer", "the context that keeps the copies")
        parser.add_argument("--no-pull", action="store_true", help="don't pull missing changes; only report and compare")
        parser.add_argument(
            "--compare-every", default="5m", metavar="TIME", help="time between two comparisons; 0s: never (default %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        consumer = checked_context(options["consumer"]).name
        every = duration(options["compare_every"], "--compare-every").total_seconds()
        sync = SyncProcess(consumer, pull=not options["no_pull"], compare_every=every)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *received: sync.stop.set())
        log.info("%s: syncing its copies of %s", consumer, ", ".join(sync.authorities) or "nothing")
        sync.run()
        log.info("%s: stopped syncing", consumer)
        if options["json"]:
            values = {"consumer": consumer, "authorities": sync.authorities, "pulled": sync.pulled, "comparisons": sync.comparisons}
            self.result(options, values, "")
