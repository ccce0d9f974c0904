"""`replay users`: send recorded events again, to one consumer or all."""

import getpass
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.utils import timezone
from rich.table import Table

from messaging import settings
from messaging.celery import app
from messaging.consumer import forecast, repair_log
from messaging.errors import BrokerAway
from messaging.events import contract
from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import (
    Found,
    Refused,
    WrongUsage,
    checked_context,
    context_argument,
    database_errors_as_refusals,
    parsed_time,
)
from messaging.management.output import show, shown
from messaging.management.progress import progress_bar
from messaging.models import Consumer, Repair
from messaging.publisher import consumers as registered
from messaging.publisher.replay import Gap, Replayed, Window, count_recorded, gap, known_type, replay
from messaging.transport.sender import Sender

#: Rows of `--dry-run`'s table.
SHOWN_ROWS = 50


class Command(BaseCommand):
    help = "Send a context's recorded events again. A consumer skips events that it already has."

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "the context that recorded the events")
        parser.add_argument("--since", metavar="TIME", help="events recorded at this time or later, e.g. 2026-11-23T09:00:00Z")
        parser.add_argument("--until", metavar="TIME", help="events recorded before this time (default: now)")
        parser.add_argument("--type", metavar="TYPE", help="only events of this type, e.g. users.user.suspended.v1")
        parser.add_argument("--subject", metavar="ID", help="only events about this aggregate")
        parser.add_argument("--to", metavar="CONSUMER", help="only to this consumer (default: to every registered one)")
        parser.add_argument("--dry-run", action="store_true", help="send nothing; show what each event would do")

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"])
        authority = context.name
        began = timezone.now()
        window = _window(options, began)
        with database_errors_as_refusals(context.alias):
            if window.type:
                _must_be_a_type(authority, window.type)
            consumers = _consumers(authority, options["to"])
        if not consumers:
            raise Found(
                f"{authority} has no consumers, so there is nothing to send. "
                f"To add one: manage.py consumers register … --to {authority}"
            )
        here = [settings.context(consumer.name).alias for consumer in consumers if consumer.name in settings.contexts()]
        sender = None if options["dry_run"] else Sender(app, authority)
        foretell = forecast.outcomes_if_known if sender else forecast.outcomes
        rows: list[tuple[str, dict[str, Any], str]] = []

        def watch(*row: Any) -> None:
            if len(rows) < SHOWN_ROWS:
                rows.append(row)

        try:
            with database_errors_as_refusals(context.alias, *here):
                unsendable = gap(authority, consumers, window)
                with progress_bar(self.stderr, "replaying", count_recorded(authority, consumers, window)) as progress:
                    done = replay(authority, consumers, window, sender=sender, foretell=foretell, progress=progress, watch=watch)
                if sender and (done.copies or not done.broken):
                    _announce(authority, consumers, window, done, began, to=options["to"])
        except BrokerAway as error:
            raise Refused(f"The broker doesn't answer ({error}). Nothing was sent. Start the broker, then try again.") from error
        finally:
            if sender:
                sender.close()
        if options["dry_run"] and not options["json"] and rows:
            show(self.stdout, _table(rows))
        self._report(options, window, done, unsendable)

    def _report(self, options: dict[str, Any], window: Window, done: Replayed, unsendable: Gap) -> None:
        foretold = dict.fromkeys(forecast.OUTCOMES, 0) | done.outcomes
        values = {
            "events": done.events,
            "copies": done.copies,
            "outcomes": foretold,
            "consumers": sorted(done.touched),
            "missing": unsendable.missing,
            "oldest": unsendable.oldest,
        }
        outcomes = ", ".join(f"{name} {number}" for name, number in foretold.items())
        copies = plural(done.copies, "copy", "copies")
        if options["dry_run"]:
            text = f"{plural(done.events, 'event')} would be sent again, in {copies}. Expected outcomes: {outcomes}."
        else:
            text = f"Sent {plural(done.events, 'event')} again, in {copies}. Expected outcomes: {outcomes}."
        missing = _missing(unsendable)
        # Without `--since`, all recorded events were requested. With it, a certain time was, which is incomplete.
        found = missing if window.since else ""
        self.result(options, values, text if found or not missing else f"{text}\n{missing}")
        if done.broken:
            resume = f"with --since {done.reached.isoformat()}" if done.reached else "again"
            raise Refused(f"The broker stopped answering ({done.broken}). To resume, run the same command {resume}.")
        if found:
            raise Found(found)


def _window(options: dict[str, Any], now: datetime) -> Window:
    since, until = (parsed_time(options[name], f"--{name}") if options[name] else None for name in ("since", "until"))
    window = Window(min(until or now, now), since, options["type"], options["subject"])
    if since and since >= window.until:
        raise WrongUsage(f"--since {since.isoformat()} isn't before --until {window.until.isoformat()}. Give an earlier --since.")
    return window


def _must_be_a_type(authority: str, wire: str) -> None:
    contract.load_contracts(authority)
    published = sorted(name for name, event in contract.DomainEvent.registry.items() if event.source() == authority)
    if wire not in published and not known_type(authority, wire):
        raise WrongUsage(
            f"{authority} has no event type {wire}, and no stored event of it. Its types: {', '.join(published) or 'none'}."
        )


def _consumers(authority: str, name: str | None) -> list[Consumer]:
    consumers = registered.registered(authority)
    chosen = [consumer for consumer in consumers if name in (None, consumer.name)]
    if name and not chosen:
        known = ", ".join(consumer.name for consumer in consumers)
        raise WrongUsage(f"{name} isn't registered with {authority}. Its consumers: {known or 'none'}.")
    return chosen


def _announce(
    authority: str, consumers: list[Consumer], window: Window, done: Replayed, began: datetime, *, to: str | None
) -> None:
    repair_log.record_and_notify(
        settings.context(authority),
        kind=Repair.Kind.REPLAY,
        window=f"{window}{f', to {to}' if to else ''}",
        consumers=sorted(done.touched),
        owners=[owner for consumer in consumers if consumer.name in done.touched for owner in consumer.owners],
        counts={"events": done.events, "copies": done.copies},
        result=f"Sent {plural(done.events, 'event')} again."
        if not done.broken
        else f"Ended early, after {plural(done.events, 'event')}: {done.broken}",
        started_at=began,
        by=getpass.getuser(),
    )


def _missing(unsendable: Gap) -> str:
    if not unsendable.missing:
        return ""
    number = plural(unsendable.missing, "aggregate")
    when = f" that last changed before the oldest kept event ({unsendable.oldest.isoformat()})" if unsendable.oldest else ""
    return (
        f"For {number}{when}, no event can be sent: it was purged, or never recorded. "
        "Consumers get such changes from the feed, by manage.py catch_up or manage.py bootstrap."
    )


def _table(rows: list[tuple[str, dict[str, Any], str]]) -> Table:
    table = Table(
        "recorded",
        "type",
        "subject",
        "version",
        "consumer",
        "would",
        title=f"The first {len(rows)}" if len(rows) == SHOWN_ROWS else None,
    )
    for consumer, event, outcome in rows:
        cells = event["time"], event["type"], event["subject"], event["aggregateversion"], consumer, outcome
        table.add_row(*(shown(cell) for cell in cells))
    return table
