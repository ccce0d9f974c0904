"""`crossings`: what binds the project's own apps together."""

import json
import shutil
import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from messaging.boundaries.crossings import baseline, report
from messaging.boundaries.crossings.crossing import KINDS, Crossing, SurveyError


class Command(BaseCommand):
    help = (
        "List what binds the project's own apps together: imports, relations, signals, queries, admin, SQL, transactions and "
        "migrations, each with file and line. Tests aren't read."
    )
    requires_system_checks: Any = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "apps",
            nargs="*",
            metavar="APP",
            help="labels of apps; one: what starts or ends in it, several: what is between them "
            "(default: all apps whose code isn't an installed package)",
        )
        parser.add_argument(
            "--baseline",
            metavar="FILE",
            type=Path,
            help="fail (exit code 1) if a crossing isn't in this file, or is gone and still in it",
        )
        parser.add_argument("--update", action="store_true", help="write the crossings that are found to the baseline")
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object on the last line")

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command. On the command line an error is printed as a sentence, without the exception's class."""
        try:
            return super().execute(*args, **options)
        except CommandError as error:
            if not getattr(self, "_called_from_command_line", False) or options["traceback"]:
                raise
            self.stderr.write(str(error))
            sys.exit(error.returncode)

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path | None = options["baseline"]
        if options["update"] and file is None:
            raise CommandError("--update writes a baseline. Name its file: --baseline FILE --update", returncode=2)
        try:
            self._survey(options, file)
        except SurveyError as error:
            raise CommandError(str(error), returncode=error.code) from None

    def _survey(self, options: dict[str, Any], file: Path | None) -> None:
        try:
            from messaging.boundaries.crossings.survey import survey
        except ModuleNotFoundError as error:
            if error.name != "grimp":
                raise
            need = 'crossings needs grimp, which isn\'t installed. Type: pip install "django-bounded-contexts[boundaries]"'
            raise SurveyError(need, code=3) from None
        listed = self._listed(file, options) if file is not None else {}
        made = survey(options["apps"])
        found = made.crossings
        new, gone = baseline.compared(found, listed, made.covers) if file is not None else ([], [])
        if not options["json"]:
            self._print(made.apps, found)
        if file is not None and options["update"]:
            kept = [(entry, number) for entry, (number, _) in listed.items() if not made.covers(entry[0], entry[1])]
            self._write(file, baseline.written(found, kept))
        changes = {"new": [each.values() for each in new], "gone": [each.values() for each in gone]}
        if options["json"]:
            known = {"file": str(file), "updated": options["update"], **changes} if file is not None else None
            self.stdout.write(json.dumps(_values(made.apps, found, known)))
        elif file is not None and options["update"]:
            self.stdout.write(f"\n{file} is written: {len(new)} more, {len(gone)} fewer.")
        elif file is not None and not (new or gone):
            self.stdout.write(f"\nAll are in {file}, and it lists no other.")
        if (new or gone) and not options["update"]:
            raise CommandError(_refusal(new, gone, found, file, options["apps"]), returncode=1)

    def _listed(self, file: Path, options: dict[str, Any]) -> dict[baseline.Entry, tuple[int, int]]:
        """Read the baseline. One that is written anew, without entries of other apps, may be missing or broken."""
        try:
            return baseline.read(file)
        except SurveyError:
            if options["update"] and (not options["apps"] or not file.exists()):
                return {}
            raise

    def _print(self, apps: list[str], found: list[Crossing]) -> None:
        width = shutil.get_terminal_size((report.WIDTH_COLUMNS, 24)).columns
        number = f"{len(found):,} crossing{'' if len(found) == 1 else 's'}"
        lines = report.wrapped(f"{number} between {len(apps)} app{'' if len(apps) == 1 else 's'}: {', '.join(apps)}", width)
        if found:
            lines += ["", *report.matrix(found, width), *report.listing(found)]
        self.stdout.write("\n".join([*lines, "", *report.wrapped(report.LIMITS, width)]))

    def _write(self, file: Path, text: str) -> None:
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SurveyError(f"The baseline {file} can't be written: {error.strerror}.", code=2) from None


def _values(apps: list[str], found: list[Crossing], known: dict[str, Any] | None) -> dict[str, Any]:
    matrix: dict[str, Counter[str]] = {}
    for each in found:
        matrix.setdefault(each.source, Counter())[each.target] += 1
    kinds = Counter(each.kind for each in found)
    return {
        "apps": apps,
        "matrix": matrix,
        "kinds": {kind: kinds[kind] for kind in KINDS},
        "crossings": [
            {"from": each.source, "to": each.target, "kind": each.kind, "path": each.path, "line": each.line, "what": each.what}
            for each in found
        ],
        "baseline": known,
    }


def _refusal(
    new: list[baseline.Change], gone: list[baseline.Change], found: list[Crossing], file: Path | None, apps: list[str]
) -> str:
    words = [f"{len(new)} crossing{' is' if len(new) == 1 else 's are'} new"] if new else []
    words += [f"{len(gone)} {'is' if len(gone) == 1 else 'are'} gone but still listed"] if gone else []
    command = " ".join(["manage.py crossings", *apps, "--baseline", str(file), "--update"])
    lines = "\n".join(report.differences(new, gone, found))
    return f"{file} differs: {', '.join(words)}.\n{lines}\nRemove what is new from the code, or change the file: {command}"
