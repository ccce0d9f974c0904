"""Words with their meanings, from the table of docs/glossary.md."""

import re

from config.env import ROOT

FILE = "docs/glossary.md"
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")


def meanings(*words: str) -> list[tuple[str, str]]:
    """Return each word with its meaning, which may have Markdown in it. Raises `KeyError` for a word that the table lacks."""
    table = dict(_ROW.findall((ROOT / FILE).read_text(encoding="utf-8")))
    return [(word, table[word]) for word in words]


def entries() -> list[tuple[str, str, str]]:
    """Return all words in the glossary's order: anchor, word, meaning. A meaning has no links, because they lead to files."""
    words = (ROOT / FILE).read_text(encoding="utf-8").partition("## Words")[2].partition("## ")[0]
    rows = [row for row in _ROW.findall(words) if row[1] != "meaning" and set(row[1]) != {"-"}]
    return [(anchor(word), word, _LINK.sub(r"\1", meaning)) for word, meaning in rows]


def anchor(word: str) -> str:
    """The part of an address that leads to the word on the glossary's page."""
    return re.sub(r"\W+", "-", word).strip("-").lower()
