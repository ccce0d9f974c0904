"""How many words a chapter asks its reader to read: `python -m tests.walkthrough.words` prints them, a line a chapter.

Outputs are counted where the chapter was played, as `VAR_DIR` keeps them.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from walkthrough.script.chapter import Chapter
from walkthrough.script.words import buttons, count, outputs, prose

#: Methods of a stage whose arguments are sentences.
SPEAKING = {"say", "check", "fault", "eventually", "rows"}


def spoken(source: str) -> Iterator[str]:
    """The words in `steps.py` that a step shows when it is played; of an f-string only what isn't filled in."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in SPEAKING:
            for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                for node in ast.walk(argument):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield node.value


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
