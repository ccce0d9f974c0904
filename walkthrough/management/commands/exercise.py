"""`exercise 4`: checks the reader's solution of a chapter's exercise, on throw-away databases."""

import sys
from argparse import ArgumentParser
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, Refused, WrongUsage
from walkthrough.exercises import book, checker
from walkthrough.exercises.book import EXERCISES, Exercise
from walkthrough.exercises.checker import Result


class Command(BaseCommand):
    help = (
        "Check your solution of a chapter's exercise, and say what is missing. Without a number: list the exercises. Each check "
        "makes its own databases, so `make run` needn't run, and no data is touched."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", nargs="?", type=int, metavar="N", help=f"{EXERCISES[0].number} to {EXERCISES[-1].number}")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--solution", action="store_true", help="print the solution")
        action.add_argument("--reset", action="store_true", help="put the gap back; your changes are lost")
        parser.add_argument("--yes", action="store_true", help="with --reset: don't ask")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(file=sys.stderr if options["json"] else sys.stdout, highlight=False)
        if options["number"] is None:
            if options["solution"] or options["reset"]:
                raise WrongUsage("Name the exercise, for example: manage.py exercise 4 --solution")
            return self._list(options, console)
        try:
            chosen = book.exercise(options["number"])
        except KeyError:
            numbers = ", ".join(str(one.number) for one in EXERCISES)
            raise WrongUsage(f"There is no exercise {options['number']}. Choose one of: {numbers}.") from None
        if options["solution"]:
            return self._solution(options, chosen)
        return self._reset(options, chosen) if options["reset"] else self._check(options, console, chosen)

    def _list(self, options: dict[str, Any], console: Console) -> None:
        table = Table("", "Exercise", "Minutes", "State", box=None, padding=(0, 2, 0, 0))
        values = []
        for one in EXERCISES:
            state = checker.state(one)
            table.add_row(str(one.number), one.title, one.minutes, state)
            values.append({"number": one.number, "title": one.title, "state": state, "files": book.shown(one.mine)})
        if not options["json"]:
            console.print(table)
        self.result(
            options,
            {"exercises": values},
            f"\nYour files are in {book.shown(book.FILES)}, the texts at /exercises/. To check one: manage.py exercise 4",
        )

    def _solution(self, options: dict[str, Any], chosen: Exercise) -> None:
        files = dict(chosen.solutions())
        text = "\n".join(f"# --- {path}\n{text}" for path, text in files.items())
        self.result(options, {"number": chosen.number, "files": files}, text)

    def _reset(self, options: dict[str, Any], chosen: Exercise) -> None:
        where = book.shown(chosen.mine)
        if not options["yes"]:
            if not sys.stdin.isatty():
                raise Refused(f"Your changes in {where} would be lost. To put the gap back: exercise {chosen.number} --reset --yes")
            if input(f"Your changes in {where} will be lost. Put the gap back? [y/N] ").strip().lower() not in ("y", "yes"):
                raise Refused("Nothing was changed.")
        checker.forget(chosen)
        self.result(options, {"number": chosen.number, "reset": True}, f"The gap is back in {where}.")

    def _check(self, options: dict[str, Any], console: Console, chosen: Exercise) -> None:
        console.print(Text(f"Exercise {chosen.number}: {chosen.title}", style="bold"))
        console.print(Text(f"Your files are in {book.shown(chosen.mine)}. The text is at /exercises/{chosen.number}/.\n"))
        result = checker.check_mine(chosen)
        _print(console, result)
        values = {
            "number": chosen.number,
            "done": result.done,
            "error": result.error,
            "probes": [{"claim": one.claim, "holds": not one.lacks, "lacks": one.lacks} for one in result.outcomes],
        }
        if result.done or options["json"]:
            self.result(options, values, f"\n{result.summary}")
        if not result.done:
            raise Found(result.summary if options["json"] else f"\n{result.summary}")


def _print(console: Console, result: Result) -> None:
    if result.error:
        console.print(Text(result.error))
    for one in result.outcomes:
        console.print(Text(f"✗ {one.claim}" if one.lacks else f"✓ {one.claim}", style="red" if one.lacks else "green"))
        if one.lacks:
            console.print(Padding(Text(one.lacks), (0, 0, 0, 2)))
