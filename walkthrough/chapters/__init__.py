"""The chapters, in their order. Each folder is one chapter: `chapter.md` is its prose, `steps.py` what its buttons do."""

from pathlib import Path

from walkthrough.script.chapter import Chapter
from walkthrough.script.chapter_file import load

FOLDER = Path(__file__).parent
CHAPTERS: tuple[Chapter, ...] = tuple(load(file.parent) for file in sorted(FOLDER.glob("c[0-9][0-9]_*/chapter.md")))


def chapter(number: int) -> Chapter:
    """The chapter by its number; `KeyError` where there is none."""
    return {one.number: one for one in CHAPTERS}[number]
