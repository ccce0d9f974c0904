"""Writes what the docs say of measurements: `python -m benchmarks.publish [RESULT.json]`.

Two pages are made of the same results, so they are written together: the table of docs/benchmarks.md, and that of docs/scaling.md,
which is calculated from it. Without a result: of those that docs/benchmarks.md cites, after a change of the code.
"""

import shutil
import sys
from pathlib import Path

from benchmarks import render, simulate


def main() -> None:
    for page in publish(*map(Path, sys.argv[1:2])):
        print(page)


def publish(result: Path | None = None) -> list[Path]:
    """Write both pages, and return them. A result is copied to benchmarks/results/; the parts that it lacks stay those of the cited
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
    for path, text in texts.items():  # both or, where one can't be made, none
        path.write_text(text)
    return list(texts)


if __name__ == "__main__":
    main()
