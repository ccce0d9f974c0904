"""A chapter in a terminal: its texts, and each entry of a step as it comes."""

import re

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table

from walkthrough.questions import CLOSING, figures
from walkthrough.script.chapter import Chapter, Kind, Prediction, Step
from walkthrough.script.player import SETTING
from walkthrough.script.transcript import Check, Entry, Played, Ran, Result, Rows, Said

RESULTS = {Result.HOLDS: "green", Result.PREDICTED: "yellow", Result.FAILS: "bold red"}
LOOKS = {Kind.DO: "cyan", Kind.BREAK: "red", Kind.MEND: "green"}


def opening(console: Console, chapter: Chapter) -> None:
    console.print(Rule(f"Chapter {chapter.number}: {chapter.title}", style="bold"))
    console.print(f"[i]{escape(chapter.question)}[/i]\n")
    _text(console, chapter.situation)
    _text(console, chapter.change, "The smallest change")


def announce(console: Console, chapter: Chapter, name: str) -> None:
    if name == SETTING:
        console.print("[bold cyan]▶ Set the stage[/] Turns off all faults, starts all processes, and replaces the demo data.")
        return
    step = chapter.step(name)
    console.print(f"\n[bold {LOOKS[step.kind]}]▶ {escape(step.button)}[/] {escape(_unwrapped(step.says))}")


def show(console: Console, entry: Entry, played: Played) -> None:
    """One entry of a step that runs, as far as it was played."""
    if isinstance(entry, Said):
        console.print(Padding(escape(entry.text), (0, 0, 0, 2)))
    elif isinstance(entry, Ran):
        mark = "" if entry.code == 0 else f"   [dim]exit code {entry.code}[/]"
        console.print(Padding(f"[bold]$ {escape(entry.command)}[/]{mark}", (0, 0, 0, 2)))
        console.print(Padding(f"[dim]{escape(entry.output)}[/]", (0, 0, 0, 4)))
    elif isinstance(entry, Rows):
        table = Table(*entry.head, title=entry.title, title_justify="left")
        for row in entry.rows:
            table.add_row(*(escape(cell) for cell in row))
        console.print(Padding(table, (0, 0, 0, 2)))
    elif isinstance(entry, Check):
        seen = f" [dim]({escape(entry.seen)})[/]" if entry.seen else ""
        words = "" if entry.result is Result.HOLDS else f": {played.words(entry.result)}"
        look = RESULTS[entry.result]
        console.print(Padding(f"[{look}]{entry.result.mark}[/] {escape(entry.claim)}[{look}]{words}[/]{seen}", (0, 0, 0, 2)))


def closing(console: Console, step: Step | None, played: Played) -> None:
    """Print what came of a prediction, and the error that ended the step, if there was one. Setting the stage has no step."""
    if step and step.prediction and played.guess and played.doubtful:
        said = escape(step.prediction.options[played.guess])
        console.print(Padding(f"You said: {said}. A check failed, so this run doesn't answer the question.", (1, 0, 0, 2)))
    elif step and step.prediction and played.outcome and not played.doubtful:
        options = step.prediction.options
        if played.guess:
            verdict = "[green]you were right[/]" if played.guess == played.outcome else "[dim]not this time[/]"
            console.print(Padding(f"You said: {escape(options[played.guess])} ({verdict})", (1, 0, 0, 2)))
        console.print(Padding(f"[bold]It was: {escape(options[played.outcome])}[/]", (0 if played.guess else 1, 0, 0, 2)))
    if played.error:
        console.print(Padding(f"[bold red]✗ Stopped half-way:[/] {escape(played.error)}", (0, 0, 0, 2)))


def ending(console: Console, chapter: Chapter) -> None:
    console.print()
    if chapter.number == CLOSING:
        answers(console)
    _text(console, chapter.still_wrong, chapter.ending)
    if chapter.trade_offs:
        table = Table("choice", "gains", "costs", title="Trade-offs", title_justify="left")
        for row in chapter.trade_offs:
            table.add_row(escape(row.choice), escape(row.gains), escape(row.costs))
        console.print(table)
    for advice in chapter.advice:
        commands = "".join(
            f"\n[dim]{group.place}:[/]" + "".join(f"\n[bold]$ {escape(command)}[/]" for command in group.lines)
            for group in advice.commands
        )
        console.print(
            Panel(
                f"{escape(_unwrapped(advice.does))}{commands}",
                title=f"In your monolith: {escape(advice.where)}",
                title_align="left",
            )
        )
    console.print()


def answers(console: Console) -> None:
    """Print each question's options with the verdict and the reader's own figures."""
    for question, options in figures.answers():
        table = Table("option", "verdict", "your figures", title=f"{question.number}. {question.title}", title_justify="left")
        for one in options:
            mark = " [green]✓[/]" if one.option.ours else ""
            own = f"chapter {one.option.chapter} not played yet" if one.figure is None else one.figure
            table.add_row(f"{escape(one.option.title)}{mark}", escape(one.option.says), escape(own))
        console.print(table)


def ask(console: Console, prediction: Prediction) -> str:
    """Ask for a guess. Returns the name of an option, or nothing if the reader wants to play without a guess."""
    console.print(Padding(f"[bold]Predict:[/] {escape(prediction.question)}", (0, 0, 0, 2)))
    for number, text in enumerate(prediction.options.values(), 1):
        console.print(Padding(f"{number}  {escape(text)}", (0, 0, 0, 4)))
    numbers = {str(number): name for number, name in enumerate(prediction.options, 1)}
    while True:
        answer = console.input(f"[dim]  Your guess, 1 to {len(numbers)}; Enter plays without a guess. [/]").strip()
        if not answer or answer in numbers:
            return numbers.get(answer, "")


def wait_for_key(console: Console) -> None:
    console.input("[dim]  Press Enter to play it, Ctrl-C to leave. [/]")


def _text(console: Console, text: str, title: str = "") -> None:
    if title:
        console.print(f"[bold]{title}[/]")
    console.print(Markdown(re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)))
    console.print()


def _unwrapped(text: str) -> str:
    """Put each paragraph and each list item on one line; the terminal breaks it at its own width."""
    return re.sub(r"(?<!\n)\n(?!\n|[-*] |\d+\. )", " ", text)
