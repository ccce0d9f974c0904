"""The survey as text: a matrix of the apps, and a list of the crossings."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from messaging.boundaries.crossings.baseline import Change, Entry, as_line
from messaging.boundaries.crossings.crossing import KINDS, Crossing

WIDTH_COLUMNS = 80
HEADING = "from, to:"
LIMITS = "What each kind can't see: docs/crossings.md of django-bounded-contexts"


def matrix(crossings: Iterable[Crossing], width: int = WIDTH_COLUMNS) -> Iterator[str]:
    """Yield the lines of a table: a row for each app that a crossing starts in, a column for each that one ends in.

    Columns that are too many for the width continue in another table, which has only the rows with a number there.
    """
    counts = Counter((each.source, each.target) for each in crossings)
    labels = sorted({label for pair in counts for label in pair})
    digits = len(str(len(labels)))
    numbers = {label: f"{number:>{digits}}" for number, label in enumerate(labels, start=1)}
    sources = [label for label in labels if any(source == label for source, _ in counts)]
    targets = [label for label in labels if any(target == label for _, target in counts)]
    first = max(len(HEADING), *(digits + 1 + len(label) for label in sources))
    cell = max(digits, *(len(str(count)) for count in counts.values())) + 2
    fitting = max(1, (width - first) // cell)
    for start in range(0, len(targets), fitting):
        columns = targets[start : start + fitting]
        if start:
            yield ""
        yield f"{HEADING:<{first}}" + "".join(f"{numbers[target]:>{cell}}" for target in columns)
        for source in sources:
            if any(counts[source, target] for target in columns):
                row = ("·" if source == target else str(counts[source, target] or "") for target in columns)
                yield f"{numbers[source]} {source:<{first - digits - 1}}" + "".join(f"{text:>{cell}}" for text in row).rstrip()
    ends = [f"{numbers[label].strip()} {label}" for label in labels if label not in sources]
    if ends:
        yield from wrapped("Nothing starts in: " + ", ".join(ends), width)


def wrapped(text: str, width: int = WIDTH_COLUMNS) -> list[str]:
    """Return a text as lines, of which all but the first are indented."""
    return textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def listing(crossings: Iterable[Crossing]) -> Iterator[str]:
    """Yield the lines of a list by pair and kind, with file and line."""
    for (source, target), pair in groupby(crossings, key=lambda each: (each.source, each.target)):
        several = list(pair)
        yield ""
        yield f"{source} -> {target}: {len(several)}"
        for kind, same in groupby(several, key=lambda each: each.kind):
            yield f"  {KINDS[kind]}"
            for each in same:
                yield f"    {each.path}:{each.line}  {each.what}"


def differences(new: Iterable[Change], gone: Iterable[Change], crossings: Iterable[Crossing]) -> Iterator[str]:
    """Yield a line for each entry of a baseline that changed: `+` and where it is found, or `-` and what to do in the file."""
    places: dict[Entry, list[str]] = {}
    for each in crossings:
        places.setdefault(each.without_line(), []).append(f"{each.path}:{each.line}")
    for change in new:
        before = f"listed: {change.listed}, now: " if change.listed else ""
        yield f"+ {as_line(change.entry)} ({before}{', '.join(places[change.entry])})"
    for change in gone:
        todo = f"write {change.found} for {change.listed} in" if change.found else "remove"
        yield f"- {as_line(change.entry)} ({todo} line {change.line})"
