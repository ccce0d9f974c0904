"""`startcontext billing --from auth.User --fields id,is_active`: write a context that keeps a copy, and its publisher."""

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from messaging import settings
from messaging.events.text import plural, said
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Refused, WrongUsage
from messaging.management.scaffold import host_settings, names, plan, writing
from messaging.management.scaffold.consumer_files import consumer_files
from messaging.management.scaffold.layout import WIDTH_COLUMNS, imports, indented
from messaging.management.scaffold.plan import Plan
from messaging.management.scaffold.publisher_files import publisher_files, record_call

FILLING = ("bootstrap", "reconcile")


class Command(BaseCommand):
    help = (
        "Write a new context that keeps a copy of a model's facts: model, cache, handlers, admin, tests and migration. If no "
        "context publishes the model yet, also write its events, feed and tests. Nothing is written if an argument is wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("context", help="the new context: its app, its queue and the first word of its events' types")
        parser.add_argument("--from", required=True, dest="model", metavar="APP.MODEL", help="the model to copy, as auth.User")
        parser.add_argument(
            "--fields",
            required=True,
            metavar="NAMES",
            help="the fields to copy, separated by commas; fact=field gives one another name",
        )
        parser.add_argument("--database", default="", metavar="ALIAS", help="the context's database (default: default)")
        parser.add_argument(
            "--publisher",
            default="",
            metavar="NAME",
            help="the context that publishes the model (default: the one that does already, else the model's own app, or for a "
            "model of an installed package a new app with the model's plural name)",
        )
        parser.add_argument(
            "--key", default="", metavar="FIELD", help="a unique field that identifies the rows (default: the primary key)"
        )
        parser.add_argument("--write-settings", action="store_true", help="add the lines that they need to your settings' file")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path.cwd()
        made = plan.make(
            options["context"],
            model=options["model"],
            fields=options["fields"],
            folder=folder,
            database=options["database"],
            publisher=options["publisher"],
            key=options["key"],
        )
        lines = host_settings.lines(made)
        target = host_settings.file() if options["write_settings"] else None
        publishing = publisher_files(made)
        files = {**publishing.texts, **consumer_files(made)}
        try:
            writing.write(files, {target: f"\n{lines}"} if target else {})
        except FileExistsError as error:
            raise WrongUsage(
                f"Nothing was written: {error.filename} exists already. Move it away, or choose other names."
            ) from None
        except OSError as error:
            raise Refused(f"Nothing was written: {said(error)}. Correct that, and type the command again.") from None
        written = sorted(str(path.relative_to(folder)) for path in files)
        steps = list(_steps(made, lines, target, publishing.to_complete))
        values = {
            "context": made.name,
            "publisher": made.publisher.name,
            "written": written,
            "settings": lines.splitlines(),
            "settings_file": str(target) if target else None,
            "record": _record(made),
            "commands": [command for _, text in steps for command in text.splitlines() if command.startswith("python manage.py")],
        }
        self.result(options, values, _text(made, written, steps))


def _text(made: Plan, written: list[str], steps: list[tuple[str, str]]) -> str:
    copied = ", ".join([made.key.name, *(fact.name for fact in made.facts)])
    parts = [
        f"{made.name} keeps a copy of {made.model._meta.label} ({copied}), which {made.publisher.name} publishes.",
        f"Written, {plural(len(written), 'file')}:\n{indented(chr(10).join(written), 2)}",
        *(f"{_filled(f'{number}. {what}')}\n\n{indented(text, 3)}" for number, (what, text) in enumerate(steps, 1)),
    ]
    return "\n\n".join(part.rstrip() for part in parts)


def _record(made: Plan) -> str:
    """The lines that record the event; none if the publisher has its own events."""
    if made.publisher.feed is not None:
        return ""
    used = [(made.publisher.module("events"), made.changed), ("messaging.publisher", "record")]
    return f"{imports(used, made.folder, [made.publisher.name])}\n\n{record_call(made, names.variable(made.model), 0)}"


def _filled(text: str) -> str:
    return fill(text, WIDTH_COLUMNS, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False)


def _steps(made: Plan, lines: str, target: Path | None, to_complete: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (what to do, the lines for it)."""
    name, publisher, record = made.name, made.publisher.name, _record(made)
    if target:
        yield f"These lines were added to {target}. Read them.", lines
    else:
        yield "Add these lines to the end of your settings.", lines
    if to_complete:
        yield "Give these fields a value where the publisher's test has an ellipsis (...).", "\n".join(to_complete)
    if made.erases_by_condition:
        yield (
            f"{publisher} erases rows for ever. If the copy can tell by a fact which rows are erased, say so in {name}/caches.py.",
            "return upsert_newer(…, final=(FACT, VALUE), …)\nCache(…, tombstone=(FACT, VALUE), …)",
        )
    aliases = sorted({made.alias, made.publisher.alias}, key=lambda alias: (alias != DEFAULT_DB_ALIAS, alias))
    migrate = ["migrate" if alias == DEFAULT_DB_ALIAS else f"migrate --database {alias}" for alias in aliases]
    yield "Create the tables and triggers.", _typed(migrate)
    tested = [made.publisher.package, name] if record else [name]
    yield "Run the new tests.", _typed([f"test {' '.join(tested)}"])
    if not settings.broker_url():
        yield "Name a broker in your settings. The next commands need one.", 'MESSAGING["BROKER_URL"] = "redis://localhost:6379/3"'
    commands = [f"consumers register {name} --to {publisher}", *(f"{what} {name} --from {publisher}" for what in FILLING)]
    yield "Register the context, fill its copy, and compare the two.", _typed(commands)
    if record:
        yield (
            f"In each service that writes {names.one(made.model)}, record the event after the write, inside "
            f'transaction.atomic(using="{made.publisher.alias}"). A change without it reaches the copy too: `tend` pulls it '
            "from the feed.",
            record,
        )
    programs = [f"relay {publisher}", f"worker {name}", f"tend {name}", "scheduler"]
    yield "Run four programs beside your own, each in a terminal of its own.", _typed(programs)


def _typed(commands: Iterable[str]) -> str:
    return "\n".join(f"python manage.py {command}" for command in commands)
