"""Writes measurements into the docs: `python -m benchmarks.publish [RESULT.json]`.

It writes the tables of docs/benchmarks.md and of docs/scaling.md together, because the second is calculated from the first. Without
a result, it uses those that docs/benchmarks.md cites, after a change of the code.
"""

import shutil
import sys
from pathlib import Path

from benchmarks import render, simulate


def main() -> None:
    for page in publish(*map(Path, sys.argv[1:2])):
        print(page)


def publish(result: Path | None = None) -> list[Path]:
    """Write both pages, and return them. Copies a new result to benchmarks/results/; parts that it lacks come from the cited
    results."""
    page = render.PAGE.read_text()
    paths = render.cited(page)
    if result is not None:
        kept = render.RESULTS / result.name
        if kept != result.resolve():
            shutil.copyfile(result, kept)
        paths = render.needed([kept, *paths])
    texts = {
        render.PAGE: render.written(page, paths),
        simulate.PAGE: simulate.written(simulate.PAGE.read_text(), render.together(paths)),
    }
    for path, text in texts.items():  # write both, or none if one of them can't be made
        path.write_text(text)
    return list(texts)


if __name__ == "__main__":
    main()
