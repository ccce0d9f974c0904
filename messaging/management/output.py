"""Tables and progress bars for a person at a terminal."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from messaging.events.text import printable

#: The width without a terminal, so that lines in scripts and logs don't break early.
WIDTH_COLUMNS = 160


def show(stream: Any, table: Table) -> None:
    """Print a table to a command's `self.stdout`, as wide as the terminal or as `COLUMNS`."""
    Console(file=cast(IO[str], stream), width=None if stream.isatty() or "COLUMNS" in os.environ else WIDTH_COLUMNS).print(table)


def shown(value: Any) -> Text:
    """Make a table's cell. Another program's text must not control the terminal or be read as Rich's markup."""
    return Text(printable(str(value)))


@contextmanager
def progress_bar(stream: Any, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a command's `self.stderr`, if that is a terminal. Yields a function to call with the steps done.

    Parameters
    ----------
    total
        The number of steps; None if it isn't known.
    """
    if not stream.isatty():
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Django's wrapper of the stream colours every write and adds a line break, so the real stream is used.
    console = Console(file=getattr(stream, "_out", stream))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.advance(task, done)


class RowBar:
    """The bar of `row_bar`: `expect` sets the number of rows, `advance` adds rows that are done."""

    def __init__(self, progress: Progress | None, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None) if progress else None

    def expect(self, rows: int) -> None:
        if self._progress and self._task is not None:
            self._progress.update(self._task, total=rows)

    def advance(self, rows: int) -> None:
        if self._progress and self._task is not None:
            self._progress.advance(self._task, rows)


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} rows/s" if task.speed else "")


@contextmanager
def row_bar(stream: Any, label: str) -> Iterator[RowBar]:
    """Show a progress bar with rows/s and the remaining time, if the stream is a terminal."""
    if not stream.isatty():
        yield RowBar(None, label)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=getattr(stream, "_out", stream)), transient=True) as progress:
        yield RowBar(progress, label)
