"""`write_contracts users`: the JSON Schemas of a context's events, as committed files; a change that breaks readers is refused."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.apps import apps

from messaging.events import contract
from messaging.events.compatibility import SchemaChange, sentences
from messaging.events.contract import load_contracts
from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, Refused, checked_context, context_argument

#: What to do instead of a breaking change.
INSTEAD = "Leave the type as it is, and publish a new version of it beside it (….v2) until no register lists the old one."


class Command(BaseCommand):
    help = (
        "Write the JSON Schema of each event that a context publishes into its folder contracts/. A change that would break "
        "consumers is refused (exit 3), with the field and the rule."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "whose events")
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not what the code says")
        parser.add_argument("--breaking", action="store_true", help="write a breaking change too: nobody relies on the type yet")

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"]).name
        load_contracts(context)
        folder = Path(apps.get_app_config(context).path) / "contracts"
        try:
            changes = contract.differences(context, folder)
        except ValueError as error:
            raise Found(str(error)) from None
        if options["check"]:
            self._check(context, folder, changes, options)
        else:
            self._write(context, folder, changes, options)

    def _write(self, context: str, folder: Path, changes: list[SchemaChange], options: dict[str, Any]) -> None:
        # A file without an event is a contract that was given up: a person decides, because consumers may still rely on it.
        orphans = _orphans(context, folder)
        breaking = [change for change in changes if change.breaking and f"{change.type}.json" not in orphans]
        if breaking and not options["breaking"]:
            raise Refused(f"Nothing is written. {_listed(breaking)}\n{INSTEAD} Is nobody reading it yet? Add --breaking.")
        written = [path.name for path in contract.write_schemas(context, folder)]
        text = f"Written to {folder.name}/: {', '.join(written)}." if written else "Every file is as it was."
        if orphans:
            text += f" No event has these any more: {', '.join(orphans)}. Remove them when no consumer reads them."
        values = {"written": written, "orphans": orphans, "changes": [change.as_dict() for change in changes]}
        self.result(options, values, text)

    def _check(self, context: str, folder: Path, changes: list[SchemaChange], options: dict[str, Any]) -> None:
        stale = contract.stale(context, folder)
        number = plural(len(stale), "file")
        text = f"{number} of {context} not as the code." if stale else "All as the code."
        self.result(options, {"stale": stale, "changes": [change.as_dict() for change in changes]}, text)
        if not stale:
            return
        breaking = [change for change in changes if change.breaking]
        if breaking:
            raise Found(f"A breaking change. {_listed(breaking)}\n{INSTEAD}")
        raise Found(
            f"Not what the code says: {', '.join(stale)}.{_listed(changes) and f' Compatible: {_listed(changes)}'}\n"
            f"Write them: python manage.py write_contracts {context}"
        )


def _listed(changes: list[SchemaChange]) -> str:
    """One sentence alone, several each on a line of its own."""
    told = sentences(changes)
    return told[0] if len(told) == 1 else "".join(f"\n  {sentence}" for sentence in told)


def _orphans(context: str, folder: Path) -> list[str]:
    published = {f"{wire}.json" for wire, _ in contract.schemas(context)}
    return sorted(path.name for path in folder.glob("*.json") if path.name not in published)
