"""`status`: how far every consumer is, and what waits."""

from dataclasses import asdict
from typing import Any

from celery import current_app
from rich.table import Table

from messaging import conf, queues
from messaging.cli import Command as BaseCommand
from messaging.cli import Found
from messaging.console import show
from messaging.status import DatabaseUnreadable, consumer_states, outbox_states


class Command(BaseCommand):
    help = "Per consumer: state, checkpoint, head, lag and parked messages. Per context: outbox and queue."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            consumers = [asdict(state) for state in consumer_states()]
            outbox = [asdict(state) for state in outbox_states()]
        except DatabaseUnreadable as error:
            raise Found(f"{error}. Is it running, and migrated?") from error
        depths = [{"queue": name, "depth": queues.depth(current_app, name)} for name in conf.contexts()]
        if options["json"]:
            self.result(options, {"consumers": consumers, "outbox": outbox, "queues": depths}, "")
        else:
            self._table("Consumers", consumers, without={"last_event_at"})
            self._table("Outbox", outbox)
            self._table("Queues", depths)
        if any(row["depth"] is None for row in depths):
            raise Found("The broker doesn't answer, so nothing is delivered. Nothing is lost: events wait in the outbox.")

    def _table(self, title: str, rows: list[dict[str, Any]], without: frozenset[str] | set[str] = frozenset()) -> None:
        if not rows:
            return
        names = [name for name in rows[0] if name not in without]
        table = Table(*(name.replace("_", " ") for name in names), title=title, title_justify="left")
        for row in rows:
            table.add_row(*(_word(row[name]) for name in names))
        show(self.stdout, table)


def _word(value: Any) -> str:
    return "–" if value is None else {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
