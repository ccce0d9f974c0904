"""`track users.user`: enter a model's older rows in the ledger, beside its writers."""

from argparse import ArgumentParser
from typing import Any

from messaging.events.text import plural
from messaging.ledger import entering, ledger
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, WrongUsage, database_errors_as_refusals
from messaging.management.progress import row_bar
from messaging.management.tracking import checked_database, checked_label, label_and_database, tracked_labels


class Command(BaseCommand):
    help = (
        "Install a tracked model's triggers, and enter its older rows in the ledger in batches, beside writers. If it is "
        "interrupted, the same command resumes behind the last batch. Until it is done, the model's feed is closed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        label_and_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        label = checked_label(options)
        tracked = ledger.TRACKED.get(label)
        if tracked is None:
            raise WrongUsage(f"{label} has no Feed and no @track. Tracked models: {tracked_labels()}.")
        using = checked_database(options, label)
        with database_errors_as_refusals(using), row_bar(self.stderr, label) as bar:
            try:
                few = ledger.install(using, tracked, self.stderr.write)
                done = entering.track(using, tracked, expecting=bar.expect, progress=bar.advance, say=self.stderr.write)
            except KeyboardInterrupt:
                state = entering.unfinished(using, label)
                left = f" {entering.in_words(state)}" if state else ""
                raise Found(f"Stopped.{left} Resume: manage.py track {label}") from None
        rows = few + done.rows
        values = {"aggregate": label, "database": using, "rows": rows, "resumed": done.resumed}
        again = " (resumed)" if done.resumed else ""
        self.result(options, values, f"Every row of {label} is in the ledger; this run entered {plural(rows, 'row')}{again}.")
