"""`relay users`: send recorded events from the outbox to the consumers' queues, until stopped."""

import logging
import signal
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from messaging.celery import app
from messaging.errors import OtherType
from messaging.events.text import plural, said
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, Refused, checked_context, context_argument, database_errors_as_refusals
from messaging.publisher.relay import BATCH_ROWS, Relay, Round


class Command(BaseCommand):
    help = "Send a context's recorded events to its consumers' queues, until stopped (Ctrl-C, SIGTERM)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "the context whose events to send")
        parser.add_argument("--once", action="store_true", help="send the events that wait now, then end")
        parser.add_argument("--batch", type=int, default=BATCH_ROWS, metavar="N", help="rows per batch (default %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        relay = Relay(checked_context(options["context"]).name, app, batch=max(1, options["batch"]))
        if options["once"]:
            self._once(relay, options)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop.set())
        logging.getLogger("messaging.publisher.relay").info("%s: relay started", relay.context)
        relay.run()
        if options["json"]:
            self.result(options, asdict(relay.total), "")

    def _once(self, relay: Relay, options: dict[str, Any]) -> None:
        total = Round()
        try:
            with database_errors_as_refusals(relay.using):
                while True:
                    done = relay.run_once()
                    if not done.sent and not done.failed:
                        break
                    total.add(done)
        except OtherType as error:
            raise Refused(f"{error} Nothing is lost; {plural(total.sent, 'event was', 'events were')} sent.") from None
        except relay.sender.errors as error:
            raise Found(
                f"Sent {plural(total.sent, 'event')}, then the broker didn't answer: {said(error)}. "
                f"Nothing is lost. When the broker answers again: manage.py relay {relay.context} --once"
            ) from error
        finally:
            relay.sender.close()
        self.result(
            options,
            asdict(total),
            f"Sent {plural(total.sent, 'event')} in {plural(total.messages, 'message')}; {total.failed:,} can't be sent.",
        )
        if total.failed:
            raise Found(f"{plural(total.failed, 'event')} can't be sent. The outbox's admin list shows the reasons.")
