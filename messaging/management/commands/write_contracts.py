"""`write_contracts users`: the JSON Schemas of a context's events, as files that are committed."""

import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.apps import apps

from messaging import contracts
from messaging.cli import Command as BaseCommand
from messaging.cli import Found, checked_context, context_argument
from messaging.registry import load_contracts


class Command(BaseCommand):
    help = "Write the JSON Schema of each event that a context publishes into its folder contracts/."

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "whose events")
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not what the code says")

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"])
        load_contracts(context)
        folder = Path(apps.get_app_config(context).path) / "contracts"
        if options["check"]:
            self._check(context, folder, options)
            return
        written = [path.name for path in contracts.write_schemas(context, folder)]
        # A file without an event is a contract that was given up: a person decides, because consumers may still rely on it.
        orphans = _orphans(context, folder)
        text = f"{len(written)} files written to {folder.name}/: {', '.join(written)}." if written else "Every file is as it was."
        if orphans:
            text += f" No event has these any more: {', '.join(orphans)}. Remove them when no consumer reads them."
        self.result(options, {"written": written, "orphans": orphans}, text)

    def _check(self, context: str, folder: Path, options: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as fresh:
            names = [path.name for path in contracts.write_schemas(context, Path(fresh))]
            stale = [name for name in names if _text(folder / name) != _text(Path(fresh) / name)]
        stale += _orphans(context, folder)
        self.result(
            options, {"stale": stale}, f"{len(stale)} files of {context} differ from the code." if stale else "All as the code."
        )
        if stale:
            raise Found(f"Not what the code says: {', '.join(stale)}. Write them: python manage.py write_contracts {context}")


def _orphans(context: str, folder: Path) -> list[str]:
    published = {f"{wire}.json" for wire, _ in contracts.schemas(context)}
    return sorted(path.name for path in folder.glob("*.json") if path.name not in published)


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
