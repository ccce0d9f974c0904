"""How many words a chapter asks its reader to read. Folded outputs and code aren't counted."""

import re
from collections.abc import Iterable, Iterator

from walkthrough.script.chapter import Chapter
from walkthrough.script.transcript import Entry, Ran, Rows, Said


def count(texts: Iterable[str]) -> int:
    """Words as they are seen: a link counts by its words, and marks such as a dash aren't words."""
    seen = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", "\n".join(texts))
    return sum(bool(re.search(r"\w", word)) for word in seen.split())


def prose(chapter: Chapter) -> Iterator[str]:
    """The page's texts but for its steps."""
    yield from (chapter.title, chapter.question, chapter.situation, chapter.change, chapter.still_wrong)
    yield from (listing.says for listing in chapter.listings)
    yield from (window.title for window in chapter.windows)
    for row in chapter.trade_offs:
        yield from (row.choice, row.gains, row.costs)
    for advice in chapter.advice:
        yield from (advice.where, advice.does)
        for group in advice.commands:
            yield from group.lines


def buttons(chapter: Chapter) -> Iterator[str]:
    """What the steps say before they are played: their names, their texts and their questions."""
    for step in chapter.steps:
        yield from (step.button, step.says)
        if step.prediction:
            yield from (step.prediction.question, *step.prediction.options.values())


def outputs(entries: Iterable[Entry]) -> Iterator[str]:
    """What a played step shows."""
    for entry in entries:
        if isinstance(entry, Said):
            yield entry.text
        elif isinstance(entry, Ran):
            yield from (entry.command, entry.folded or entry.output)
        elif isinstance(entry, Rows):
            yield from (entry.title, *entry.head, *(cell for row in entry.rows for cell in row))
        else:
            yield from (entry.claim, entry.seen)
