"""Code as it is in its file."""

import re

import pytest

from config.env import ROOT
from walkthrough.script.chapter import Listing
from walkthrough.script.code_listing import shown

SOURCE = '''"""A module."""

LIMIT: int = 3
TABLE = {
    "a": 1,
}


@first
@second(
    1,
)
def run(a, b):
    """Run."""
    return a


class Outer:
    NUMBER = 7

    @property
    def value(self):
        return 1

    class Inner:
        async def late(self):
            return 2
'''


@pytest.fixture
def source(tmp_path, monkeypatch):
    (tmp_path / "module.py").write_text(SOURCE)
    monkeypatch.setattr("walkthrough.script.code_listing.ROOT", tmp_path)


@pytest.mark.parametrize(
    ("symbol", "line", "text"),
    [
        ("LIMIT", 3, "LIMIT: int = 3"),
        ("TABLE", 4, 'TABLE = {\n    "a": 1,\n}'),
        ("run", 9, '@first\n@second(\n    1,\n)\ndef run(a, b):\n    """Run."""\n    return a'),
        ("Outer.NUMBER", 19, "NUMBER = 7"),
        ("Outer.value", 21, "@property\ndef value(self):\n    return 1"),
        ("Outer.Inner.late", 26, "async def late(self):\n    return 2"),
    ],
)
def test_a_name_is_found_with_all_that_belongs_to_it(source, symbol, line, text):
    found = shown(Listing("module.py", symbol, "why"))
    assert (found.path, found.line, found.text, found.says) == ("module.py", line, text, "why")


def test_without_a_name_it_is_the_whole_file(source):
    found = shown(Listing("module.py"))
    assert found.text == SOURCE.rstrip()
    assert (found.whole, found.whole_name) == ("", "")


@pytest.mark.parametrize(
    ("symbol", "first", "last", "line", "text"),
    [
        ("run", "", "Run.", 9, '@first\n@second(\n    1,\n)\ndef run(a, b):\n    """Run."""'),
        ("run", "return", "", 15, "return a"),
        ("Outer", "def value", "return", 22, "def value(self):\n    return 1"),
        ("Outer.Inner", "return 2", "return 2", 27, "return 2"),
        ("", "TABLE", "}", 4, 'TABLE = {\n    "a": 1,\n}'),
    ],
)
def test_a_piece_is_from_the_only_line_with_its_first_words_to_the_next_with_its_last(source, symbol, first, last, line, text):
    found = shown(Listing("module.py", symbol, first=first, last=last))
    assert (found.line, found.text) == (line, text)


def test_below_a_piece_is_what_it_was_taken_from_and_below_a_whole_function_its_file(source):
    piece, function = shown(Listing("module.py", "run", first="return")), shown(Listing("module.py", "run"))
    assert (piece.whole, piece.whole_name) == (function.text, "run")
    assert (function.whole, function.whole_name) == (SOURCE.rstrip(), "module.py")
    assert shown(Listing("module.py", first="TABLE", last="}")).whole_name == "module.py"


@pytest.mark.parametrize(
    ("symbol", "first", "last", "says"),
    [
        ("run", "yield", "", "module.py run has `yield` in 0 lines. A listing begins at the only one."),
        ("run", "LIMIT", "", "module.py run has `LIMIT` in 0 lines"),
        ("Outer", "return", "", "module.py Outer has `return` in 2 lines"),
        ("run", "", "yield", "module.py run has no line with `yield` where the listing should end."),
        ("run", "return", "Run.", "module.py run has no line with `Run.`"),
        ("", "yield", "", "module.py has `yield` in 0 lines"),
    ],
)
def test_words_that_have_moved_are_an_error(source, symbol, first, last, says):
    with pytest.raises(LookupError, match=re.escape(says)):
        shown(Listing("module.py", symbol, first=first, last=last))


@pytest.mark.parametrize("symbol", ["nothing", "Outer.nothing", "run.value", "value"])
def test_a_name_that_is_gone_is_an_error(source, symbol):
    with pytest.raises(LookupError, match=rf"module.py has no {symbol}\."):
        shown(Listing("module.py", symbol))


def test_a_file_that_is_gone_is_an_error(source):
    with pytest.raises(OSError, match="elsewhere"):
        shown(Listing("elsewhere.py"))


def test_what_is_shown_stands_at_its_line():
    found = shown(Listing("messaging/database/upsert.py", "upsert_newer"))
    lines = (ROOT / "messaging" / "database" / "upsert.py").read_text().splitlines()
    assert lines[found.line - 1] == "def upsert_newer("
    assert found.text.splitlines() == lines[found.line - 1 : found.line - 1 + len(found.text.splitlines())]
