"""Renders the results as a Markdown table: between two marks in docs/benchmarks.md, and on the page of an unpublished run.

Of several results, each part comes from the first one that has it.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import figure
from benchmarks.margins import margins
from benchmarks.parts import OURS, Size, parts
from messaging.events.text import plural

ROOT = Path(__file__).resolve().parent.parent
PAGE, RESULTS = ROOT / "docs" / "benchmarks.md", ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- written by benchmarks/render.py -->", "<!-- until here -->"
CITED = re.compile(r"results/([\w.-]+\.json)")


def cited(page: str) -> list[Path]:
    """Return the results that the page cites, in its order."""
    found = list(dict.fromkeys(CITED.findall(page)))
    if not found:
        raise SystemExit(f"{PAGE.name} cites no result. Name one: python -m benchmarks.publish RESULT.json")
    return [RESULTS / name for name in found]


def together(paths: Sequence[Path]) -> dict[str, Any]:
    """Merge results. Each part keeps the sizes at which it was measured."""
    first, *others = [json.loads(path.read_text()) for path in paths]
    parts = {part["name"]: {**part, "sizes": first["sizes"]} for part in first["parts"]}
    for other in others:
        for part in other["parts"]:
            parts.setdefault(part["name"], {**part, "sizes": other["sizes"]})
    return {**first, "parts": list(parts.values())}


def needed(paths: Sequence[Path]) -> list[Path]:
    """Return the results that provide a part."""
    told, found = set[str](), []
    for path in paths:
        names = {part["name"] for part in json.loads(path.read_text())["parts"]}
        if names - told:
            found.append(path)
        told |= names
    return found


def written(page: str, paths: Sequence[Path]) -> str:
    """Return docs/benchmarks.md with these results' table."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown(paths, PAGE.parent)}\n\n{END}{after}"


def markdown(paths: Sequence[Path], folder: Path) -> str:
    """Return the table for a page in `folder`, with relative links to the results."""
    result, told = together(paths), set[str]()
    lines = []
    for path in paths:
        read = json.loads(path.read_text())
        names = {part["name"] for part in read["parts"]} - told
        lines += [_origin(read, names, os.path.relpath(path, folder)), ""]
        told |= names
    lines += ["| what | ours | beside it |", "|---|---|---|"]
    for title, rows in table(result):
        lines.append(f"| **{title}** | | |")
        lines += [f"| {what} | {ours} | {'<br>'.join(others)} |" for what, ours, others in rows]
    lines += ["", "| margin | to reach | reached |", "|---|---|---|"]
    for margin in margins(result):
        what, bound, value = margin.words
        said = f"{value}, {margin.verdict}" if margin.verdict else value
        lines.append(f"| {what} | {bound} | {f'**{said}**' if margin.failed else said} |")
    return "\n".join(lines)


def table(result: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str, list[str]]]]]:
    """Return (title, rows of (what, ours, {column: value})) of each measured part."""
    for name in (part.name for part in parts(_size(result["sizes"]))):
        measured = next((one for one in result["parts"] if one["name"] == name), None)
        if measured is None:
            continue
        part = next(one for one in parts(_size(measured.get("sizes", result["sizes"]))) if one.name == name)
        rows = []
        for measure in part.measures:
            figures = {
                who: figure(result, part.name, case, path).text(measure.digits) for who, (case, path) in measure.figures.items()
            }
            others = [f"{who}: {text}" for who, text in figures.items() if who != OURS]
            rows.append((measure.what, figures.get(OURS, ""), others))
        yield part.title, rows


def _size(sizes: dict[str, Any]) -> Size:
    """Return the part's size."""
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in sizes.items()}
    return Size(**given)


def _origin(result: dict[str, Any], names: set[str], link: str) -> str:
    """Return where and when these parts were measured."""
    machine = result["machine"]
    versions = ", ".join(f"{what} {number}" for what, number in machine["versions"].items())
    settings = ", ".join(f"{what} {value}" for what, value in machine["postgresql"].items() if what != "whose")
    minutes, runs = result["seconds"] / 60, plural(result["runs"], "run")
    titles = "; ".join(part.title for part in parts(_size(result["sizes"])) if part.name in names)
    when = result["date"][:16].replace("T", " ")
    return (
        f"{titles}: measured on {when} UTC at commit {result['commit']}, in {plural(round(minutes), 'minute')}: "
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, load at the start "
        f"{machine['load_at_start'][0]}. {versions}. PostgreSQL: {settings}. Median of {runs} (lowest–highest). "
        f"All runs: [{Path(link).name}]({link})."
    )
