"""`write_contracts users`: write the JSON Schemas of a context's events into files to commit; breaking changes are refused."""

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

#: The alternative to a breaking change.
INSTEAD = "Keep the type unchanged, and also publish a new version (….v2) until no consumer is registered for the old one."


class Command(BaseCommand):
    help = (
        "Write the JSON Schema of each event that a context publishes into its folder contracts/. A change that would break "
        "consumers is refused (exit code 3), with the field and the rule."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "the publisher")
        parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file differs from the code")
        parser.add_argument("--breaking", action="store_true", help="also write breaking changes, for types that nobody reads yet")

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
        # A file without an event may still have consumers, so a person decides about it.
        orphans = _orphans(context, folder)
        breaking = [change for change in changes if change.breaking and f"{change.type}.json" not in orphans]
        if breaking and not options["breaking"]:
            raise Refused(f"Nothing was written. {_listed(breaking)}\n{INSTEAD} If nobody reads the type yet, add --breaking.")
        written = [path.name for path in contract.write_schemas(context, folder)]
        text = f"Written to {folder.name}/: {', '.join(written)}." if written else "All files are up to date."
        if orphans:
            text += f" Files without an event: {', '.join(orphans)}. Remove them when no consumer reads these types."
        values = {"written": written, "orphans": orphans, "changes": [change.as_dict() for change in changes]}
        self.result(options, values, text)

    def _check(self, context: str, folder: Path, changes: list[SchemaChange], options: dict[str, Any]) -> None:
        stale = contract.stale(context, folder)
        text = f"{plural(len(stale), 'file differs', 'files differ')} from the code." if stale else "All files match the code."
        self.result(options, {"stale": stale, "changes": [change.as_dict() for change in changes]}, text)
        if not stale:
            return
        breaking = [change for change in changes if change.breaking]
        if breaking:
            raise Found(f"This would break consumers. {_listed(breaking)}\n{INSTEAD}")
        raise Found(
            f"Different: {', '.join(stale)}.{_listed(changes) and f' Compatible changes: {_listed(changes)}'}\n"
            f"Write the files: python manage.py write_contracts {context}"
        )


def _listed(changes: list[SchemaChange]) -> str:
    """Write one change as a sentence, several as a list."""
    listed = sentences(changes)
    return listed[0] if len(listed) == 1 else "".join(f"\n  {sentence}" for sentence in listed)


def _orphans(context: str, folder: Path) -> list[str]:
    published = {f"{wire}.json" for wire, _ in contract.schemas(context)}
    return sorted(path.name for path in folder.glob("*.json") if path.name not in published)
