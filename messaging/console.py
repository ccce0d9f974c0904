"""What commands show to a person at a terminal: tables and progress bars."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

#: Columns where there is no terminal to ask: nothing a script or a log gets should be broken early.
WIDTH = 160


def show(stream: Any, table: Table) -> None:
    """Print a table to a command's `self.stdout`."""
    Console(file=cast(IO[str], stream), width=None if stream.isatty() else WIDTH).print(table)


@contextmanager
def progress_bar(stream: Any, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on a command's `self.stderr`, only where that is a terminal. Yields what to call with each step."""
    if not stream.isatty():
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # The real stream: a command's wrapper colours every write, and ends it with a line break.
    console = Console(file=getattr(stream, "_out", stream))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.advance(task, done)
