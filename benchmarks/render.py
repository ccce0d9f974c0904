"""Writes the table of docs/benchmarks.md from results: `python -m benchmarks.render benchmarks/results/NAME.json …`.

Of several, each part is taken from the first that has it. Without a name: those that the page cites, so that a change of this file
changes the page. What stands between the two marks is written; the rest of the page is prose.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import figure
from benchmarks.margins import margins
from benchmarks.parts import OURS, Size, parts

ROOT = Path(__file__).resolve().parent.parent
PAGE, RESULTS = ROOT / "docs" / "benchmarks.md", ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- written by benchmarks/render.py -->", "<!-- until here -->"
CITED = re.compile(r"results/([\w.-]+\.json)")


def main() -> None:
    page = PAGE.read_text()
    PAGE.write_text(written(page, [Path(word) for word in sys.argv[1:]] or cited(page)))


def cited(page: str) -> list[Path]:
    """The results that the page names, in its order."""
    found = list(dict.fromkeys(CITED.findall(page)))
    if not found:
        raise SystemExit(f"{PAGE.name} cites no result yet: name one.")
    return [RESULTS / name for name in found]


def together(paths: Sequence[Path]) -> dict[str, Any]:
    """Results as one."""
    first, *others = [json.loads(path.read_text()) for path in paths]
    for other in others:
        known = {part["name"] for part in first["parts"]}
        first["parts"] += [part for part in other["parts"] if part["name"] not in known]
    return dict(first)


def written(page: str, paths: Sequence[Path]) -> str:
    """The page with these results' table."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown(paths)}\n\n{END}{after}"


def markdown(paths: Sequence[Path]) -> str:
    result, told = together(paths), set[str]()
    lines = []
    for path in paths:
        read = json.loads(path.read_text())
        names = {part["name"] for part in read["parts"]} - told
        lines += [_origin(read, names, path.name), ""]
        told |= names
    lines += ["| what | ours | beside it |", "|---|---|---|"]
    for title, rows in table(result):
        lines.append(f"| **{title}** | | |")
        lines += [f"| {what} | {ours} | {'<br>'.join(others)} |" for what, ours, others in rows]
    lines += ["", "| margin | to reach | reached |", "|---|---|---|"]
    for margin in margins(result):
        what, bound, value = margin.words
        lines.append(f"| {what} | {bound} | {value if margin.reached in (True, None) else f'**{value}, missed**'} |")
    return "\n".join(lines)


def table(result: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str, list[str]]]]]:
    """(title, rows of (what, ours, [who: value])) of each part that was measured."""
    measured = {part["name"] for part in result["parts"]}
    for part in parts(_size(result)):
        if part.name not in measured:
            continue
        rows = []
        for measure in part.measures:
            figures = {
                who: figure(result, part.name, case, path).text(measure.digits) for who, (case, path) in measure.figures.items()
            }
            others = [f"{who}: {text}" for who, text in figures.items() if who != OURS]
            rows.append((measure.what, figures.get(OURS, ""), others))
        yield part.title, rows


def _size(result: dict[str, Any]) -> Size:
    """As it was measured."""
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in result["sizes"].items()}
    return Size(**given)


def _origin(result: dict[str, Any], names: set[str], name: str) -> str:
    """Where and when these parts of a result were measured."""
    machine = result["machine"]
    versions = ", ".join(f"{what} {number}" for what, number in machine["versions"].items())
    settings = ", ".join(f"{what} {value}" for what, value in machine["postgresql"].items() if what != "whose")
    minutes = result["seconds"] / 60
    titles = "; ".join(part.title for part in parts(_size(result)) if part.name in names)
    when = result["date"][:16].replace("T", " ")
    return (
        f"{titles}: measured on {when} UTC at commit {result['commit']}, in {minutes:.0f} minutes: "
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, load at the start "
        f"{machine['load_at_start'][0]}. {versions}. PostgreSQL: {settings}. Median of {result['runs']} runs (lowest–highest). "
        f"All runs: [results/{name}](../benchmarks/results/{name})."
    )


if __name__ == "__main__":
    main()
