"""A chapter's slice: the smallest program that shows its point, and what changed since the chapter before.

`slice.py` runs alone. `slice.md` explains it: a sentence about what was left out, if anything was, and a list whose numbers are the
marks `# (1)` in the code. An item may end in a link to the file of the project where this is done in full.
"""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from config.env import ROOT

#: Unchanged lines around a change.
CONTEXT_LINES = 3
#: A mark in the code that an item of the list explains.
MARK = re.compile(r"(?:#|--) (\(\d+\))$")
_LINK = re.compile(r" \[`([\w.]+)`\]\((\.\./\.\./\.\./[^)]+)\)$")


@dataclass(frozen=True)
class Line:
    """A line of a diff. `sign`: "+", "-", " ", or "…" for lines that were left out."""

    sign: str
    text: str
    #: Its mark, such as "(1)"; empty if it has none.
    mark: str = ""


@dataclass(frozen=True)
class Callout:
    """What a mark means, and where the project does it in full."""

    text: str
    name: str = ""
    path: str = ""


@dataclass(frozen=True)
class Slice:
    path: str
    text: str
    intro: str
    callouts: tuple[Callout, ...]


def load(folder: Path) -> Slice:
    """Load a chapter's slice. Raises `ValueError` if its list doesn't explain exactly its marks."""
    code, words = ((folder / name).read_text(encoding="utf-8") for name in ("slice.py", "slice.md"))
    intro, *items = re.split(r"^\d+\. ", words, flags=re.MULTILINE)
    marks = [mark for line in code.splitlines() for mark in MARK.findall(line)]
    if marks != [f"({number})" for number in range(1, len(items) + 1)]:
        raise ValueError(f"{folder.name}: slice.py has the marks {', '.join(marks)}, and slice.md explains {len(items)}.")
    path = (folder / "slice.py").relative_to(ROOT)
    return Slice(str(path), code, intro.strip(), tuple(_callout(folder, " ".join(item.split())) for item in items))


def _callout(folder: Path, item: str) -> Callout:
    link = _LINK.search(item)
    if not link:
        return Callout(item)
    return Callout(item[: link.start()], link[1], (folder / link[2]).resolve().relative_to(ROOT).as_posix())


def whole(one: Slice) -> list[Line]:
    """All lines of a slice."""
    return [_line(" ", text) for text in one.text.splitlines()]


def changes(before: Slice, after: Slice) -> list[Line]:
    """The lines of the diff between two slices. Marks aren't compared, and removed lines are shown without theirs."""
    old, new = ([line.text for line in whole(one)] for one in (before, after))
    marked, found = whole(after), list[Line]()
    for hunk in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT_LINES):
        found += [Line("…", "")] if found else []
        for kind, first, last, begin, end in hunk:
            if kind == "equal":
                found += marked[begin:end]
                continue
            found += [Line("-", text) for text in old[first:last]]
            found += [Line("+", line.text, line.mark) for line in marked[begin:end]]
    return found


def _line(sign: str, text: str) -> Line:
    """A line of code, without its mark."""
    mark = MARK.search(text)
    return Line(sign, MARK.sub("", text).rstrip(), mark[1]) if mark else Line(sign, text)
