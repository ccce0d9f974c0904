"""Words with their meanings, from the table of docs/glossary.md."""

import re

from config.env import ROOT

FILE = "docs/glossary.md"
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def meanings(*words: str) -> list[tuple[str, str]]:
    """Return each word with its meaning, which may have Markdown in it. Raises `KeyError` for a word that the table lacks."""
    table = dict(_ROW.findall((ROOT / FILE).read_text(encoding="utf-8")))
    return [(word, table[word]) for word in words]
