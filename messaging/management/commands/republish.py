"""`republish users`: find rows that changed without an event, and record one event for each."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from messaging import settings
from messaging.consumer import repair_log
from messaging.errors import NoFeed
from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, WrongUsage, checked_context, context_argument, database_errors_as_refusals
from messaging.management.progress import progress_bar
from messaging.models import Repair
from messaging.publisher import consumers
from messaging.publisher.republish import Republished, count_unannounced, preview, republish

#: Ids printed without `--json`, which has all of them.
SHOWN_IDS = 50


class Command(BaseCommand):
    help = "Find a context's rows whose last change has no event, and record one event for each, with the current state."

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "the authority whose rows to search")
        parser.add_argument("--dry-run", action="store_true", help="only list these rows; exit code 0 however many there are")

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"])
        try:
            with database_errors_as_refusals(context.alias):
                if options["dry_run"]:
                    self._list(context.name, options)
                else:
                    self._record(context.name, options)
        except NoFeed as error:
            raise WrongUsage(str(error)) from None

    def _list(self, authority: str, options: dict[str, Any]) -> None:
        ids = preview(authority)
        text = f"{plural(len(ids), 'row')} of {authority} changed without an event:{_listed(ids)}"
        self.result(options, {"missing": ids, "republished": 0}, text if ids else _nothing_missing(authority))

    def _record(self, authority: str, options: dict[str, Any]) -> None:
        started = timezone.now()
        with progress_bar(self.stderr, "recording", count_unannounced(authority)) as progress:
            done = republish(authority, progress=progress)
        if done.count:
            self._announce(authority, done, started)
        values = {"missing": [*done.ids, *done.refused], "republished": done.count, "refused": done.refused}
        text = f"Recorded {plural(done.count, 'event')} of {authority} for {_rows(done)}:{_listed(done.ids)}"
        none = "No event was recorded." if done.refused else _nothing_missing(authority)
        self.result(options, values, text if done.ids else none)
        if done.refused:
            first, reason = next(iter(done.refused.items()))
            rows = plural(len(done.refused), "row")
            raise Found(f"{rows} can't be announced, for example {first} ({reason}). Correct the row, then republish again.")

    def _announce(self, authority: str, done: Republished, started: Any) -> None:
        touched = consumers.registered(authority)
        repair_log.record_and_notify(
            settings.context(authority),
            kind=Repair.Kind.REPUBLISH,
            window="changes without an event",
            consumers=[consumer.name for consumer in touched],
            owners=[owner for consumer in touched for owner in consumer.owners],
            counts={"republished": done.count, "refused": len(done.refused)},
            result=f"Recorded {plural(done.count, 'event')} for {_rows(done)}.",
            started_at=started,
            by=getpass.getuser(),
        )


def _rows(done: Republished) -> str:
    return "a row that changed without one" if done.count == 1 else "rows that changed without one"


def _nothing_missing(authority: str) -> str:
    return f"Every row of {authority} has an event for its last change."


def _listed(ids: list[str]) -> str:
    more = [f"… and {len(ids) - SHOWN_IDS:,} more (--json lists all)"] if len(ids) > SHOWN_IDS else []
    return "".join(f"\n  {line}" for line in [*ids[:SHOWN_IDS], *more])
