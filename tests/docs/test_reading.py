"""docs/reading-the-code.md: its files and names exist, and an hour is enough."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "reading-the-code.md").read_text()
MOST_FILES, MOST_LINES = 15, 1500

STOP = re.compile(r"### (\d+)\. .+\n\nRead \[[^\]]+\]\(\.\./([^)]+)\): ((?:.+\n)+)")
LINKED = re.compile(r"\[`([^`]+)`\]\(\.\./([^)]+)\)")
WORDS = re.compile(r"`([^`]+)`")


class Stop(NamedTuple):
    """A file of the walk. `names`: what to read of it, empty for the whole file. `text`: what the page says of it."""

    number: int
    path: str
    names: list[str]
    text: str

    @property
    def source(self) -> str:
        return (ROOT / self.path).read_text()


def stops(page: str) -> list[Stop]:
    parts = re.split(r"(?m)^(?=##)", page)
    found = [(match, part) for part in parts if (match := STOP.match(part))]
    assert len(found) == page.count("\n### "), "A stop is a heading with a number, then 'Read [file](../file): `name`, …'."
    return [Stop(int(match[1]), match[2], WORDS.findall(match[3]), part[match.end() :]) for match, part in found]


def defined(source: str) -> dict[str, int]:
    """Functions, classes, methods and constants of a module, with the number of lines of each."""
    found: dict[str, int] = {}

    def enter(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            names, start = [], node.lineno
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names, start = [node.name], min([node.lineno, *(one.lineno for one in node.decorator_list)])
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            found.update({f"{prefix}{name}": (node.end_lineno or start) - start + 1 for name in names})
            if isinstance(node, ast.ClassDef):
                enter(node.body, f"{node.name}.")

    enter(ast.parse(source).body, "")
    return found


def lines(stop: Stop) -> int:
    known = defined(stop.source)
    return sum(known[name] for name in stop.names) if stop.names else len(stop.source.splitlines())


def unknown(page: str) -> list[str]:
    """Names that the page has and the code hasn't: each as "file: name"."""
    wrong = []
    for stop in stops(page):
        known = defined(stop.source)
        wrong += [f"{stop.path}: {name}" for name in stop.names if name not in known]
        linked = LINKED.findall(stop.text)
        wrong += [f"{path}: {name}" for name, path in linked if name not in defined((ROOT / path).read_text())]
        mentioned = set(WORDS.findall(LINKED.sub("", stop.text)))
        wrong += [f"{stop.path}: {name}" for name in mentioned if not mentions(name, stop, page)]
    return sorted(wrong)


def mentions(name: str, stop: Stop, page: str) -> bool:
    """Say if a name is in the stop's file, or is one that another stop tells to read."""
    words = re.findall(r"[A-Za-z_]\w*|\d+", name)
    return name in {one for other in stops(page) for one in other.names} or all(
        re.search(rf"(?<!\w){re.escape(word)}(?!\w)", stop.source) for word in words
    )


def test_every_name_is_in_the_code() -> None:
    assert unknown(PAGE) == []


def test_an_hour_is_enough() -> None:
    walk = stops(PAGE)
    assert [stop.number for stop in walk] == list(range(1, len(walk) + 1))
    assert len({stop.path for stop in walk}) <= MOST_FILES
    assert sum(map(lines, walk)) <= MOST_LINES


@pytest.mark.parametrize(
    ("name", "other", "found"),
    [
        (": `deliver`,", ": `delivered`,", ["messaging/tasks.py: delivered"]),
        ("`_halving` finds", "`_quartering` finds", ["messaging/consumer/inbox.py: _quartering"]),
        ("[`HANDLERS`]", "[`HANDLER`]", ["billing/handlers.py: HANDLER"]),
    ],
)
def test_a_planted_wrong_name_is_seen(name: str, other: str, found: list[str]) -> None:
    assert PAGE.count(name) == 1
    assert unknown(PAGE.replace(name, other)) == found


def test_a_planted_wrong_path_is_seen() -> None:
    assert PAGE.count("(../messaging/tasks.py)") == 1
    with pytest.raises(FileNotFoundError):
        unknown(PAGE.replace("(../messaging/tasks.py)", "(../messaging/task.py)"))
