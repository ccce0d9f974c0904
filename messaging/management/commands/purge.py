"""`purge users`: remove old rows that every consumer has passed, and say which consumers hold back others."""

from argparse import ArgumentParser
from typing import Any

from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import checked_context, context_argument, database_errors_as_refusals, duration
from messaging.management.progress import progress_bar
from messaging.models import Consumer
from messaging.publisher import consumers as registered
from messaging.publisher.pages import floor
from messaging.publisher.retention import Purged, count_purgeable, purge


class Command(BaseCommand):
    help = (
        "Remove a context's old outbox rows and tombstones that were sent and that every registered consumer has passed. "
        "Old rows that stay are counted, with the reason."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "the context whose rows to remove")
        parser.add_argument(
            "--older-than", default="30d", metavar="AGE", help="the least age, as 90s, 15m, 1h or 30d (default %(default)s)"
        )
        parser.add_argument("--dry-run", action="store_true", help="remove nothing, and count what would be removed")

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"])
        authority = context.name
        age, dry = duration(options["older_than"], "--older-than"), options["dry_run"]
        with database_errors_as_refusals(context.alias):
            with progress_bar(self.stderr, "looking", count_purgeable(authority, older_than=age)) as progress:
                done = purge(authority, older_than=age, dry_run=dry, progress=progress)
            consumers, bottom = registered.registered(authority), floor(context.alias)
        holders = [consumer for consumer in consumers if consumer.name in done.held]
        values = {
            "outbox": done.outbox,
            "tombstones": done.tombstones,
            "floor": bottom,
            "held": [{"consumer": one.name, "checkpoint": one.checkpoint, "rows": done.held[one.name]} for one in holders],
            "unsent": done.unsent,
            "unannounced": done.unannounced,
            "unclear": done.unclear,
        }
        verb = "Would remove" if dry else "Removed"
        text = (
            f"{verb} {plural(done.outbox, 'outbox row')} and {plural(done.tombstones, 'tombstone')} of {authority}, "
            f"older than {options['older_than']}."
        )
        self.result(options, values, "\n".join([text, *_why(authority, done, holders)]))


def _why(authority: str, done: Purged, holders: list[Consumer]) -> list[str]:
    """Say which rows stay, why, and what to do."""
    lines = []
    for one in holders:
        held = f"{plural(done.held[one.name], 'row stays', 'rows stay')} because of {one.name}"
        if one.checkpoint is None:
            lines.append(
                f"{held}: it never reported a checkpoint, so it may need everything. Start it. If it isn't used any more: "
                f"manage.py consumers revoke {one.name} --from {authority}"
            )
        else:
            lines.append(f"{held}: its checkpoint is {one.checkpoint}, which is below. When it has caught up, purge again.")
    if done.unsent:
        stay = plural(done.unsent, "outbox row stays because it isn't", "outbox rows stay because they aren't")
        lines.append(f"{stay} sent. Send: manage.py relay {authority} --once. The admin shows the errors of failed ones.")
    if done.unannounced:
        stay = plural(done.unannounced, "tombstone stays", "tombstones stay")
        lines.append(f"{stay} because no event was recorded. Record it: manage.py republish {authority}")
    if done.unclear:
        stay = plural(done.unclear, "tombstone stays", "tombstones stay")
        lines.append(
            f"{stay} because the row was written again, or another row refers to it. "
            "Erase the user again, or delete the rows that refer to them."
        )
    return lines
