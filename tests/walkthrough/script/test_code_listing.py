"""Code as it stands in its file."""

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
    assert shown(Listing("module.py")).text == SOURCE.rstrip()


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
