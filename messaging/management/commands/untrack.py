"""`untrack users.user`: take a model out of the ledger, with everything that `track` and `migrate` made for it."""

from argparse import ArgumentParser
from typing import Any

from django.apps import apps

from messaging.events.text import plural
from messaging.ledger import leaving
from messaging.ledger.ledger import TRACKED
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Refused, WrongUsage, database_errors_as_refusals
from messaging.management.progress import row_bar
from messaging.management.tracking import checked_database, checked_label, label_and_database, tracked_labels
from messaging.models import Ledger
from messaging.publisher import consumers
from messaging.settings import owner


class Command(BaseCommand):
    help = (
        "Remove a model's triggers, their functions and its entries in the ledger. Its table and rows stay as they are. Refused "
        "while a consumer is registered for it. Remove @track and the feed from the code first, or the next migrate tracks it "
        "again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        label_and_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        label = checked_label(options)
        using = checked_database(options, label)
        with database_errors_as_refusals(using):
            entries = Ledger.objects.using(using).filter(aggregate=label)
            if label not in TRACKED and _table(label) is None and not entries.exists():
                raise WrongUsage(
                    f"There is no model {label}, and the ledger of {using} has no entry of one. Tracked: {tracked_labels()}."
                )
            readers = consumers.readers(using, label)
            if readers:
                away = f"manage.py consumers revoke {readers[0]} --from {owner(using)}"
                raise Refused(f"{', '.join(readers)} still read{'s' if len(readers) == 1 else ''} {label}. First: {away}")
            with row_bar(self.stderr, label) as bar:
                bar.expect(entries.count())
                table = _table(label) or label.replace(".", "_")
                done = leaving.untrack(using, label, table, progress=bar.advance, say=self.stderr.write)
        text = f"Removed the triggers of {label} and {plural(done, 'entry', 'entries')} of the ledger."
        if label in TRACKED:
            text += f" The code still has a Feed or @track for {label}, so the next migrate tracks it again."
        self.result(options, {"aggregate": label, "database": using, "entries": done, "in_code": label in TRACKED}, text)


def _table(label: str) -> str | None:
    """The table of a model; None if this process has no such model any more."""
    if label in TRACKED:
        return TRACKED[label].table
    try:
        return str(apps.get_model(label)._meta.db_table)
    except (LookupError, ValueError):
        return None
