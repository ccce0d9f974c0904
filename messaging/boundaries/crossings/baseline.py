"""The baseline: a file with the crossings that a team knows of. A new crossing is a difference, and so is one that is gone.

It has one line for each crossing and no line numbers, so that it changes only if a crossing does:

    orders -> partner | lookup | orders/views.py | orders.Line: stock__partner__name | 2

The number at the end tells how many of them are in that file, if there is more than one.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from messaging.boundaries.crossings.crossing import KINDS, Crossing, SurveyError

HEAD = """\
# The known crossings between apps. `manage.py crossings --baseline` fails if one is new, or is listed here and gone.
# from -> to | kind | file | what | how many, if more than one
"""
Entry = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Change:
    """An entry with another number than the file lists."""

    entry: Entry
    listed: int
    found: int
    #: The line of the file; None if the entry isn't listed.
    line: int | None

    def values(self) -> dict[str, str | int]:
        """Return the change for JSON."""
        return {"entry": as_line(self.entry), "listed": self.listed, "found": self.found}


def written(crossings: Iterable[Crossing], kept: Iterable[tuple[Entry, int]] = ()) -> str:
    """Return the text of a baseline.

    Parameters
    ----------
    kept
        Entries of other apps that stay in the file, with their numbers.
    """
    counts = Counter(each.without_line() for each in crossings) + Counter(dict(kept))
    kinds = list(KINDS)
    entries = sorted(counts, key=lambda entry: (entry[0], entry[1], kinds.index(entry[2]), entry[3:]))
    return HEAD + "".join(f"{as_line(entry, counts[entry])}\n" for entry in entries)


def as_line(entry: Entry, number: int = 1) -> str:
    """Return an entry as a line of the file."""
    source, target, *rest = entry
    return " | ".join([f"{source} -> {target}", *rest, *([str(number)] if number > 1 else [])])


def read(file: Path) -> dict[Entry, tuple[int, int]]:
    """Return a baseline's entries, each with its number and its line. Raises `SurveyError` if it isn't a baseline."""
    again = f"To write it anew: manage.py crossings --baseline {file} --update"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise SurveyError(f"There is no baseline {file}. {again}", code=2) from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it isn't text in UTF-8"
        raise SurveyError(f"The baseline {file} can't be read: {why}. {again}", code=2) from None
    found: dict[Entry, tuple[int, int]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        entry, count = _parsed(line)
        if entry is None or entry in found:
            why = "is there twice" if entry else "is no entry"
            raise SurveyError(f"Line {number} of the baseline {file} {why}: {line[:80]!r}. {again}", code=2)
        found[entry] = count, number
    return found


def _parsed(line: str) -> tuple[Entry | None, int]:
    pair, *rest = line.split(" | ")
    source, arrow, target = pair.partition(" -> ")
    count = rest.pop() if len(rest) == 4 else "1"
    if not arrow or len(rest) != 3 or rest[0] not in KINDS or not count.isdecimal() or not int(count):
        return None, 0
    kind, path, what = rest
    return (source, target, kind, path, what), int(count)


def compared(
    crossings: Iterable[Crossing], listed: dict[Entry, tuple[int, int]], covers: Callable[[str, str], bool]
) -> tuple[list[Change], list[Change]]:
    """Return the entries that grew, and those that shrank.

    Parameters
    ----------
    covers
        Tells for a pair of apps if it was surveyed. Other entries are ignored.
    """
    counts = Counter(each.without_line() for each in crossings)
    new = [
        Change(entry, *((listed[entry][0], found, listed[entry][1]) if entry in listed else (0, found, None)))
        for entry, found in counts.items()
        if found > (listed[entry][0] if entry in listed else 0)
    ]
    gone = [
        Change(entry, number, counts[entry], line)
        for entry, (number, line) in listed.items()
        if counts[entry] < number and covers(entry[0], entry[1])
    ]
    return new, sorted(gone, key=lambda change: change.line or 0)
