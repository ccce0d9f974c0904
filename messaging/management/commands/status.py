"""`status`: the progress of every consumer, and the number of waiting events and messages."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from rich import box
from rich.table import Table

from messaging.celery import app
from messaging.errors import DatabaseUnreadable
from messaging.events.text import plural, printable
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found
from messaging.management.output import show, shown
from messaging.operations.status import consumer_states, outbox_states, overdue_retries, tracking_states
from messaging.transport import queues


class Command(BaseCommand):
    help = (
        "Show each consumer's state, checkpoint, head, lag, staleness, parked messages, drift, open incidents and last repair, and "
        "each context's outbox and queue. Models that are still being entered in the ledger come last."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            consumers = [asdict(state) for state in consumer_states()]
            outbox = [asdict(state) for state in outbox_states()]
            tracking = [asdict(state) for state in tracking_states()]
            overdue = overdue_retries()
        except DatabaseUnreadable as error:
            raise Found(f"{error}. Start it, or create its tables: manage.py migrate --database {error.alias}") from error
        depths = [{"queue": name, "depth": queues.depth(app, name)} for name in queues.here(app)]
        if options["json"]:
            values = {"consumers": consumers, "outbox": outbox, "queues": depths, "tracking": tracking}
            self.result(options, {**values, "overdue": [asdict(state) for state in overdue]}, "")
        else:
            self._table("Consumers", [_progress(row) for row in consumers])
            self._table("Health", [_health(row) for row in consumers])
            self._table("Outbox", outbox)
            self._table("Queues", depths)
            self._table("Rows that are still being entered, so the feed is closed (manage.py track)", tracking)
            for late in overdue:
                number = plural(late.retries, "retry of a failed event is", "retries of failed events are")
                self.stdout.write(
                    f"{number} late in {late.context}. Are these running? manage.py scheduler, manage.py worker {late.context}"
                )
            for row in consumers:
                if row["restored"]:
                    self.stdout.write(printable(row["restored"]))
                if row["marks"] is False:
                    self.stdout.write(printable(_unmarked(row)))
        if any(row["depth"] is None for row in depths):
            raise Found("The broker doesn't answer, so no events are delivered. Unsent events wait in the outbox.")

    def _table(self, title: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for number, name in enumerate(rows[0]):
            table.add_column(name.replace("_", " "), no_wrap=number == 0)
        for row in rows:
            table.add_row(*(shown(_word(value)) for value in row.values()))
        show(self.stdout, table)


# Two tables, because one with all columns doesn't fit a terminal of 80 columns.


def _progress(row: dict[str, Any]) -> dict[str, Any]:
    """A consumer's row in the first table."""
    age = row["staleness_seconds"]
    return {
        "consumer": f"{row['consumer']} from {row['authority']}",
        **{name: row[name] for name in ("state", "checkpoint", "head", "lag")},
        "staleness": None if age is None else _age(age),
    }


def _health(row: dict[str, Any]) -> dict[str, Any]:
    """A consumer's row in the second table."""
    repaired, kinds = row["last_repair_at"], row["drift_by_kind"]
    return {
        "consumer": f"{row['consumer']} from {row['authority']}",
        **{name: row[name] for name in ("registered", "parked", "incidents")},
        "drift": kinds if kinds is None else ", ".join(f"{number} {kind}" for kind, number in kinds.items() if number) or "none",
        "last_repair": None if repaired is None else f"{_age((timezone.now() - repaired).total_seconds())} ago",
    }


def _unmarked(row: dict[str, Any]) -> str:
    """Say that the other context runs a release without marks."""
    other, does = (row["consumer"], "shows") if row["state"] == "elsewhere" else (row["authority"], "sends")
    return f"{other} {does} no marks, so it runs an earlier release: a restore of its database may go unnoticed."


def _age(seconds: float) -> str:
    """Write an age in its largest unit, so that the column stays narrow."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _word(value: Any) -> str:
    return "–" if value is None else {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
