"""`erase_again users --from erased.json`: erase users again that a restored backup revived."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import WrongUsage, checked_context, context_argument, database_errors_as_refusals
from messaging.publisher import pages
from messaging.publisher.feed import declared_feed

#: Ids looked up in one statement.
BATCH_IDS = 500
HOW = "Create it where the consumer runs: manage.py reconcile billing --from users --json > erased.json"


class Command(BaseCommand):
    help = "Erase again what a restored backup revived here: aggregates that are erased in a consumer's copy. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "authority", "the context that was restored")
        parser.add_argument(
            "--from",
            dest="file",
            required=True,
            metavar="FILE",
            help="the output of `reconcile --json` at the consumer; -: standard input",
        )
        parser.add_argument("--dry-run", action="store_true", help="list what would be erased, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["authority"])
        authority, using = context.name, context.alias
        shown = declared_feed(authority)
        if shown is None or shown.erase is None:
            raise WrongUsage(f"The feed of {authority} has no function that erases. Set it: Feed(erase=…)")
        ids = _ids(options["file"])
        alive: list[str] = []
        known = 0
        with database_errors_as_refusals(using):
            for start in range(0, len(ids), BATCH_IDS):
                records = [json.loads(one) for one in pages.records(using, shown, ids=ids[start : start + BATCH_IDS], fields=())]
                known += len(records)
                alive += [record["id"] for record in records if not record["deleted"]]
            for key in alive:
                if options["dry_run"]:
                    self.stderr.write(f"would erase {key}")
                else:
                    shown.erase(key)
        values = {
            "erased": 0 if options["dry_run"] else len(alive),
            "ids": alive,
            "already": known - len(alive),
            "unknown": len(ids) - known,
        }
        done = (
            f"{plural(len(alive), 'aggregate')} {'would be' if options['dry_run'] else 'were' if len(alive) != 1 else 'was'} erased"
        )
        self.result(options, values, f"{done}; {values['already']:,} already erased, {values['unknown']:,} not known here.")


def _ids(name: str) -> list[str]:
    """Read the ids of rows of the kind `erased_here`."""
    try:
        if name == "-":
            text = sys.stdin.read()
        else:
            with open(name, encoding="utf-8") as file:
                text = file.read()
        found = json.loads(text.strip().splitlines()[-1])
        return [str(row["id"]) for row in found["rows"] if row["kind"] == "erased_here"]
    except OSError as error:
        raise WrongUsage(f"{name} can't be read: {error.strerror}. {HOW}") from None
    except (ValueError, LookupError, TypeError):
        raise WrongUsage(f"{name} isn't the output of `reconcile --json`. {HOW}") from None
