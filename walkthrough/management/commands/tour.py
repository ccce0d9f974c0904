"""`tour`: the walkthrough in a terminal, with the same chapters, steps and checks as on the page, on the same running system."""

import sys
from argparse import ArgumentParser
from functools import partial
from typing import Any

from rich.console import Console

from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, Refused, WrongUsage
from walkthrough import terminal
from walkthrough.chapters import CHAPTERS
from walkthrough.control import processes
from walkthrough.script import player
from walkthrough.script.chapter import Chapter, Step
from walkthrough.script.transcript import Played


class Command(BaseCommand):
    help = "Play the walkthrough's chapters in the terminal, while `make run` is running. Each chapter begins by setting its stage."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--chapter", type=int, metavar="N", help=f"only this one, {CHAPTERS[0].number} to {CHAPTERS[-1].number}"
        )
        parser.add_argument(
            "--yes", action="store_true", help="ask for no guess and don't wait for a key; exit code 1 if a check isn't as expected"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = [one for one in CHAPTERS if options["chapter"] in (None, one.number)]
        if not chosen:
            numbers = ", ".join(str(one.number) for one in CHAPTERS)
            raise WrongUsage(f"There is no chapter {options['chapter']}. Choose one of: {numbers}.")
        try:
            processes.states()
        except processes.SystemNotRunning as error:
            raise Refused(str(error)) from None
        console = Console(file=sys.stderr if options["json"] else sys.stdout, highlight=False)
        pause = not options["yes"] and sys.stdin.isatty() and sys.stdout.isatty()
        red = [name for one in chosen for name in self._play(one, console, pause)]
        total = sum(len(one.steps) + 1 for one in chosen)
        values = {"chapters": len(chosen), "steps": total, "failed": red}
        self.result(
            options,
            values,
            f"{plural(len(chosen), 'chapter')}, {plural(total, 'step')}: " + (f"{len(red)} failed." if red else "all as expected."),
        )
        if red:
            raise Found(f"These steps failed: {', '.join(red)}.")

    def _play(self, chapter: Chapter, console: Console, pause: bool) -> list[str]:
        """Play one chapter up to the first step that fails; returns that step, or nothing."""
        terminal.opening(console, chapter)
        for name in (player.SETTING, *(step.name for step in chapter.steps)):
            step = None if name == player.SETTING else chapter.step(name)
            terminal.announce(console, chapter, name)
            guess = _guess(console, step) if pause else ""
            try:
                show = partial(terminal.show, console, played=Played(name, guess=guess))
                done = player.play(chapter, name, show, guess=guess)
            except player.CanNotPlay as error:
                raise Refused(str(error)) from None
            terminal.closing(console, step, done)
            if not done.green:
                return [f"chapter {chapter.number}, {name}"]
        terminal.ending(console, chapter)
        return []


def _guess(console: Console, step: Step | None) -> str:
    """Ask for a guess where the step has a question; else only wait for a key."""
    if step and step.prediction:
        return terminal.ask(console, step.prediction)
    terminal.wait_for_key(console)
    return ""
