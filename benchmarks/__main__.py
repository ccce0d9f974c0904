"""`make bench` measures the project and its alternatives, part by part. Options: `python -m benchmarks --help`.

Results go to `var/benchmarks/`: all runs as JSON, and a page with the table. `--publish` also writes them to `benchmarks/results/`,
docs/benchmarks.md and docs/scaling.md. The exit code is 1 if a run failed, or if a margin was missed and docs/benchmarks.md doesn't
explain it.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import harness, machine, render
from benchmarks.margins import margins
from benchmarks.options import numbers
from benchmarks.parts import SIZES, parts
from benchmarks.publish import publish
from benchmarks.surroundings import servers, templates
from config.env import VAR

#: With fewer runs of each measurement, nothing is published.
FEWEST = 3


def main() -> int:
    # A shell starts background commands with Ctrl-C ignored, but the harness stops measurements by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = _options()
    size = SIZES[options.size]
    if options.growth:
        size = dataclasses.replace(size, growth=tuple(sorted({*size.growth, *options.growth})))
    chosen = [part for part in parts(size) if not options.parts or part.name in options.parts]
    console = Console()
    began = time.monotonic()
    with servers() as (postgres_url, broker_url):
        result: dict[str, Any] = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": machine.commit(),
            "size": options.size,
            "sizes": dataclasses.asdict(size),
            "runs": options.runs,
            "machine": machine.describe(postgres_url, broker_url),
            "seconds": 0,
            "parts": [],
        }
        os.environ.update(BENCH_POSTGRES_URL=postgres_url, BENCH_BROKER_URL=broker_url)
        with templates(postgres_url), _progress(console) as progress:
            task = progress.add_task("", total=harness.count(chosen, options.runs))

            def told(what: str) -> None:
                progress.update(task, description=what)
                if not console.is_terminal:
                    console.print(f"{datetime.now():%H:%M:%S} {what}")

            for part in chosen:
                done = harness.run(part, options.runs, told, lambda: progress.advance(task))
                result["parts"].append(dataclasses.asdict(done))
                result["seconds"] = round(time.monotonic() - began)
                path = _kept(result, options.results)  # after each part, so an interrupted run keeps the finished parts
    _show(console, result)
    failed = any("error" in run for part in result["parts"] for runs in part["cases"].values() for run in runs)
    console.print(f"All runs: {path}\nThe table: {_page(path)}", soft_wrap=True)
    if options.publish and failed:
        console.print("Not published: a run failed.")
    elif options.publish:
        console.print(f"Published: {', '.join(map(str, publish(path)))}", soft_wrap=True)
    return 1 if failed or any(margin.failed for margin in margins(result)) else 0


def _options() -> argparse.Namespace:
    names = [part.name for part in parts(SIZES["default"])]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", dest="size", action="store_const", const="full", help="a million users too; about an hour")
    parser.add_argument("--tiny", dest="size", action="store_const", const="tiny", help="a minute's check, without figures")
    parser.add_argument("--parts", type=lambda text: text.split(","), help=f"measure only these parts: {','.join(names)}")
    parser.add_argument("--runs", type=int, default=FEWEST, help=f"repeat each measurement so often (default {FEWEST})")
    parser.add_argument("--growth", type=numbers, help="bootstrap these numbers of users too, such as 1000000,5000000")
    parser.add_argument("--results", type=Path, default=VAR / "benchmarks", help="the folder for the JSON and the page")
    parser.add_argument("--publish", action="store_true", help="write the results to benchmarks/results/ and docs/ too")
    parser.set_defaults(size="default")
    options = parser.parse_args()
    unknown = [name for name in options.parts or [] if name not in names]
    if unknown:
        parser.error(f"There is no part {unknown[0]!r}. Parts: {', '.join(names)}.")
    if options.publish and (options.size == "tiny" or options.runs < FEWEST):
        parser.error(f"--publish needs figures: no --tiny, and --runs {FEWEST} at least.")
    return options


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
    )


def _kept(result: dict[str, Any], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['date'][:16].replace(':', '')}-{result['size']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


def _page(path: Path) -> Path:
    """Write the table to its own page, next to the runs."""
    page = path.with_suffix(".md")
    page.write_text(f"# Benchmarks of this machine\n\n{render.markdown([path], page.parent)}\n")
    return page


def _show(console: Console, result: dict[str, Any]) -> None:
    shown = Table("what", "ours", "beside it")
    for title, rows in render.table(result):
        shown.add_row(f"[bold]{title}", "", "", end_section=False)
        for what, ours, others in rows:
            shown.add_row(what, ours, "\n".join(others))
        shown.add_section()
    console.print(shown)
    reached = Table("margin", "to reach", "reached", "")
    for margin in margins(result):
        reached.add_row(*margin.words, margin.verdict, style="red" if margin.failed else "")
    if reached.rows:
        console.print(reached)


if __name__ == "__main__":
    sys.exit(main())
