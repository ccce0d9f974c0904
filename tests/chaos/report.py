"""The output of a run: a bar or lines while it runs, tables at its end."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from messaging.management.output import show
from tests.chaos.conductor import Outcome

#: Seconds between two lines without a terminal.
LINES = 15.0
#: Objections to print for each claim.
MOST = 5


@contextmanager
def progress(seconds: float) -> Iterator[Callable[[float, str], None]]:
    """Yield a function that shows elapsed seconds and a few words: as a bar on a terminal, else as a line from time to time."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("preparing", total=seconds)
            yield lambda gone, words: bar.update(task, completed=gone, description=words)
        return
    last = [0.0]

    def line(gone: float, words: str) -> None:
        if time.monotonic() - last[0] >= LINES:
            last[0] = time.monotonic()
            print(f"chaos: {gone:.0f}/{seconds:.0f} s, {words}", file=sys.stderr, flush=True)

    yield line


def repeat(outcome: Outcome) -> str:
    """Return the command that makes the same plan again."""
    return f"make chaos SECONDS={outcome.seconds:.0f} SEED={outcome.seed} ENGINE={outcome.engine}"


def tables(outcome: Outcome, logs: Path | None) -> None:
    """Print everything for a person."""
    ledger = Table("at", "fault", "target", "outcome", title="Faults")
    for entry in outcome.faults:
        ledger.add_row(f"{entry.at:.1f}", *map(escape, (entry.fault, entry.target, entry.note)))
    commands = Table("at", "command", "exit code", "seconds", "", title="Commands meanwhile")
    for done in outcome.commands:
        commands.add_row(
            f"{done.at:.1f}", done.name, str(done.code), f"{done.seconds:.1f}", "ended in a traceback" if done.traceback else ""
        )
    counts = Table("", "number", title="Numbers")
    for name, number in outcome.counts.items():
        counts.add_row(name, f"{number:,}")
    checks = Table("", "after the faults", "objections", title="Recovered?")
    for claim, against in outcome.checks.items():
        more = [f"and {len(against) - MOST} more"] if len(against) > MOST else []
        checks.add_row("no" if against else "yes", claim, escape("\n".join([*against[:MOST], *more])))
    for table in (ledger, commands, counts, checks):
        show(sys.stdout, table)
    if outcome.unasked:
        print("Ended by themselves and started again:", ", ".join(f"{name} {number}×" for name, number in outcome.unasked.items()))
    verdict = f"Converged {outcome.settled_seconds:.1f} s after the last fault." if outcome.converged else "Not converged."
    print(f"{verdict} {len(outcome.faults)} lines of faults, seed {outcome.seed}. Again: {repeat(outcome)}")
    if logs:
        print(f"Logs and data: {logs}")
