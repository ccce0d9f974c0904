"""What a chapter's prose names is there: files, functions, commands, addresses, other chapters."""

import ast
import keyword
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from markdown_it import MarkdownIt

from config.env import ROOT
from config.runner import programs
from walkthrough.chapters import FOLDER

PROSE = sorted(FOLDER.glob("*/chapter.md"))
PACKAGES = ("users", "billing", "monolith", "messaging", "config", "walkthrough")
#: Words in backticks that aren't ours, by whose they are.
THEIRS = {
    "Django": "ATOMIC_REQUESTS AddIndexConcurrently DO_NOTHING assertNumQueries",
    "a field of Django": "db_column db_constraint",
    "import-linter": "ignore_imports",
    "pydantic": "AliasChoices",
    "PostgreSQL": "lock_timeout",
    "Redis": "FLUSHALL",
    "the reader": "Profile",
}
KNOWN = {word for words in THEIRS.values() for word in words.split()}
SQL = re.compile(r"(SET|SELECT|REVOKE|GRANT)\b")
_markdown = MarkdownIt("commonmark").enable("table")


@cache
def ours() -> frozenset[str]:
    """Every name in the project's code, and every string that is a word."""
    found: set[str] = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for field in ("id", "attr", "name", "arg", "module", "value"):
                word = getattr(node, field, None)
                if isinstance(word, str):
                    found.update(word.split("."))
    return frozenset(found)


def wrong(text: str, folder: Path) -> Iterator[str]:
    """What the text names and nobody has. Where a listing begins and ends is left out: it is looked for when it is shown."""
    text = re.sub(r"(?: (?:from|to) `[^`]+`)+\]\(", "](", text)
    for block in _markdown.parse(text):
        for token in block.children or []:
            if token.type == "code_inline":
                yield from unknown(token.content)
    for words, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text):
        if not leads(words, target, folder):
            yield f"[{words}]({target})"


def unknown(code: str) -> Iterator[str]:
    if "/" in code:
        if not there(code):
            yield code
    elif re.fullmatch(r"[a-z]+-[a-z-]+", code):
        if code not in running():
            yield code
    elif not SQL.match(code) and code.split()[0] not in get_commands():
        names = re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'|\"[^\"]*\"", "", code))
        yield from (name for name in names if not keyword.iskeyword(name) and name not in ours() | KNOWN)


def there(path: str) -> bool:
    """A file of the project, or an address, as `GET /api/users/<id>/`."""
    if not path.startswith("GET "):
        return (ROOT / path).is_file()
    try:
        return bool(resolve(path.removeprefix("GET ").replace("<id>", "00000000-0000-7000-8000-000000000000")))
    except Resolver404:
        return False


@cache
def running() -> frozenset[str]:
    """The programs of `make run`."""
    return frozenset(program.name for program in programs.programs(("users", "billing", "monolith"), 8000))


def leads(words: str, target: str, folder: Path) -> bool:
    if target.startswith("admin:"):
        try:
            return bool(reverse(target.partition("?")[0]))
        except NoReverseMatch:
            return False
    number = re.search(r"\bchapter (\d+)", words, re.IGNORECASE)
    return (folder / target).is_file() and (not number or f"c{int(number[1]):02}_" in target)


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.parent.name)
def test_prose_names_only_what_exists(path: Path) -> None:
    assert list(wrong(path.read_text(encoding="utf-8"), path.parent)) == []


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("`messaging/nowhere.py`", "messaging/nowhere.py"),
        ("`GET /api/nobody/<id>/`", "GET /api/nobody/<id>/"),
        ("`upsert_nobody()`", "upsert_nobody"),
        ("`transaction.on_nothing(send)`", "on_nothing"),
        ("`tend_nothing billing`", "tend_nothing"),
        ("`tend-nobody`", "tend-nobody"),
        ("`NOBODYS_API_URL`", "NOBODYS_API_URL"),
        ("[chapter 5](../c05_sow/chapter.md)", "[chapter 5](../c05_sow/chapter.md)"),
        ("[chapter 6](../c05_seed/chapter.md)", "[chapter 6](../c05_seed/chapter.md)"),
        ("[`page`](../../../messaging/nowhere.py)", "[`page`](../../../messaging/nowhere.py)"),
        ("[Nobody](admin:users_nobody_changelist)", "[Nobody](admin:users_nobody_changelist)"),
    ],
)
def test_a_planted_wrong_name_is_found(planted: str, found: str) -> None:
    text = PROSE[3].read_text(encoding="utf-8").replace("\n## The smallest change", f"\n{planted}\n\n## The smallest change")
    assert found in list(wrong(text, PROSE[3].parent))


def test_every_word_of_others_is_still_named_and_isn_t_ours() -> None:
    named = " ".join(path.read_text(encoding="utf-8") for path in PROSE)
    assert [word for word in KNOWN if not re.search(rf"`[^`]*\b{word}\b", named)] == []
    assert KNOWN & ours() == set()
