"""The chapters, in their order. Each file is one chapter and says everything about it; nothing of it lives elsewhere."""

from walkthrough.chapter import Chapter
from walkthrough.chapters.c04_own_copy import CHAPTER as OWN_COPY

CHAPTERS: tuple[Chapter, ...] = (OWN_COPY,)


def chapter(number: int) -> Chapter:
    """The chapter by its number; `KeyError` where there is none."""
    return {one.number: one for one in CHAPTERS}[number]
