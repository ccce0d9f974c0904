"""`tend billing`: keep a context's copies whole."""

import logging
import signal
from argparse import ArgumentParser
from typing import Any

from messaging.management.base import Command as BaseCommand
from messaging.management.base import checked_context, context_argument, duration
from messaging.replica.sync import Tending

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Keep a context's copies whole: pull what never arrived, follow the feed where the broker is silent, compare now and then."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "consumer", "whose copies")
        parser.add_argument("--no-pull", action="store_true", help="only look and compare; holes stay open")
        parser.add_argument("--compare-every", default="5m", metavar="TIME", help="between two comparisons, as 5m; 0s: never")

    def handle(self, *args: Any, **options: Any) -> None:
        consumer = checked_context(options["consumer"]).name
        every = duration(options["compare_every"]).total_seconds()
        tending = Tending(consumer, pull=not options["no_pull"], compare_every=every)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *received: tending.stop.set())
        log.info("%s: tending its copies of %s", consumer, ", ".join(tending.authorities) or "nothing")
        tending.run()
        log.info("%s: stopped tending", consumer)
