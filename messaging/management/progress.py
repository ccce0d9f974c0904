"""Progress bars for a person at a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, Task


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
    with _progress(stream) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.advance(task, done)


class RowBar:
    """The bar of `row_bar`: `expect` sets the number of rows, `advance` adds rows that are done."""

    def __init__(self, progress: "Progress | None", label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None) if progress else None

    def expect(self, rows: int) -> None:
        if self._progress and self._task is not None:
            self._progress.update(self._task, total=rows)

    def advance(self, rows: int) -> None:
        if self._progress and self._task is not None:
            self._progress.advance(self._task, rows)


@contextmanager
def row_bar(stream: Any, label: str) -> Iterator[RowBar]:
    """Show a progress bar with rows/s and the remaining time, if the stream is a terminal."""
    if not stream.isatty():
        yield RowBar(None, label)
        return
    with _progress(stream, speed=True) as progress:
        yield RowBar(progress, label)


def _progress(stream: Any, *, speed: bool = False) -> "Progress":
    # Not at the top: loading rich takes a tenth of a program's start, and those that run all the time show no bar.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: "Task") -> Text:
            return Text(f"{task.speed:,.0f} rows/s" if task.speed else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([Speed()] if speed else []),
        TimeRemainingColumn(),
    )
    # Django's wrapper of the stream colours every write and adds a line break, so the real stream is used.
    return Progress(*columns, console=Console(file=getattr(stream, "_out", stream)), transient=True)
