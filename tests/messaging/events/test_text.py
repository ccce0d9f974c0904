"""Texts for people about numbers and errors."""

import ast
import re
import subprocess
from collections.abc import Iterator

import pytest

from config.env import ROOT
from messaging.events.text import kind, plural, said

NOUNS = (
    "aggregates bytes calls changes chapters consumers copies databases days entries errors events fields files hours incidents "
    "invoices keys lines messages migrations minutes mismatches pages positions programs queries questions rows seconds "
    "statements steps tables tokens tombstones tries users writes"
)
BEFORE = "active bad event foreign more original outbox parked shadow suspended"
COUNTED = re.compile(rf" (({BEFORE.replace(' ', '|')}) )?({NOUNS.replace(' ', '|')})\b(?!/s)")
#: Values that are words, and numbers that are never 1: constants.
WORDS, CONSTANT = {"aggregate", "authority", "context", "name"}, re.compile(r"([a-z]+\.)*[A-Z_]+( / 60)?")
CODE = ["messaging", "walkthrough", "users", "billing", "monolith", "config"]


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (2400, ("row",), "2,400 rows"),
        (1, ("copy", "copies"), "1 copy"),
        (2, ("copy", "copies"), "2 copies"),
        (1, ("row differs", "rows differ"), "1 row differs"),
        (0, ("row differs", "rows differ"), "0 rows differ"),
    ],
)
def test_a_number_and_its_noun(number: int, words: tuple[str, ...], told: str) -> None:
    assert plural(number, *words) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("it is off.\nDETAIL: more"), "it is off"),
        (ConnectionRefusedError(), "connection refused error"),
        (TimeoutError("\n"), "timeout error"),
    ],
)
def test_an_error_is_reported_without_its_class(error: Exception, told: str) -> None:
    assert said(error) == told


def test_the_sort_of_an_error_has_nothing_of_its_text() -> None:
    assert kind(KeyError("ada@example.org")) == "key error"


def test_no_text_has_a_number_with_a_noun_that_never_changes() -> None:
    listed = subprocess.run(["git", "ls-files", *CODE], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    found = [
        f"{name}:{line}: {text}" for name in listed if name.endswith(".py") for line, text in unbending((ROOT / name).read_text())
    ]
    assert not found, "Use messaging.events.text.plural:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("f'{len(rows)} rows'", 1),
        ("f'{done.count} bad rows left'", 1),
        ("f'{number:,} bytes'", 1),
        ("f'{plural(number, \"row\")} read'", 0),
        ("f'{LIMIT:g} seconds'", 0),
        ("f'{speed} rows/s'", 0),
    ],
)
def test_a_planted_one_is_found(source: str, found: int) -> None:
    assert len(list(unbending(source))) == found


def unbending(source: str) -> Iterator[tuple[int, str]]:
    """Find (line, text) of each f-string that puts a value before a plural noun."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            name = ast.unparse(value.value)
            match = COUNTED.match(str(after.value))
            if match and name not in WORDS and not CONSTANT.fullmatch(name) and not name.startswith("plural("):
                yield node.lineno, f"{{{name}}}{match[0]}"
