"""`worker billing`: receive a context's events from its queue, until stopped."""

import socket
import sys
from argparse import ArgumentParser
from typing import Any

from messaging.celery import app
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Refused, WrongUsage, checked_context, context_argument
from messaging.transport import broker, queues


class Command(BaseCommand):
    help = (
        "Receive the events of one context or of several from their queues, and call their handlers, until stopped (Ctrl-C, "
        "SIGTERM). For example: manage.py worker billing --concurrency 2"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "contexts", "the contexts whose events to receive", nargs="+")
        parser.add_argument(
            "--concurrency", type=int, default=1, metavar="N", help="processes that run handlers (default %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = list(dict.fromkeys(checked_context(name).queue for name in options["contexts"]))
        if options["concurrency"] < 1:
            raise WrongUsage(f"--concurrency {options['concurrency']}: a worker needs at least 1 process.")
        if idle := [name for name in names if name not in queues.here(app)]:
            raise Refused(f"{idle[0]} handles no events: its table of handlers is empty, so it has no queue and needs no worker.")
        broker.url()
        worker = app.Worker(
            queues=names,
            concurrency=options["concurrency"],
            hostname=f"{'+'.join(names)}@{socket.gethostname()}",
            quiet=True,
            # Workers tell each other of themselves by an exchange that every Celery app on a broker shares.
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        worker.start()
        if options["json"]:
            self.result(options, {"contexts": names}, "")
        sys.exit(worker.exitcode)
