"""How many words a chapter asks its reader to read: `python -m tests.walkthrough.words` prints them, a line a chapter.

Outputs are counted where the chapter was played, as `VAR_DIR` keeps them. Folded outputs and code aren't counted.
"""

import ast
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from walkthrough.script.chapter import Chapter
from walkthrough.script.transcript import Entry, Ran, Rows, Said

#: Methods of a stage whose arguments are sentences.
SPEAKING = {"say", "check", "fault", "eventually", "rows"}


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


def spoken(source: str) -> Iterator[str]:
    """The words in `steps.py` that a step shows when it is played; of an f-string only what isn't filled in."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in SPEAKING:
            for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                for node in ast.walk(argument):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield node.value


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


def written(chapter: Chapter, folder: Path) -> int:
    """All that can be counted without playing."""
    return count([*prose(chapter), *buttons(chapter), *spoken(folder.joinpath("steps.py").read_text(encoding="utf-8"))])


def main() -> None:
    from walkthrough.chapters import CHAPTERS
    from walkthrough.script import player

    total = 0
    print("chapter   page  buttons  outputs    sum")
    for chapter in CHAPTERS:
        played = [entry for step in player.progress(chapter).played for entry in step.entries]
        counted = [count(texts) for texts in (prose(chapter), buttons(chapter), outputs(played))]
        total += sum(counted)
        print(f"{chapter.number:7} {counted[0]:6} {counted[1]:8} {counted[2]:8} {sum(counted):6}{'' if played else '  not played'}")
    print(f"{total:38}")


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    main()
