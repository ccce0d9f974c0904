"""What a chapter's slice changes, and the link to the chapter's exercise, as parts of its page."""

from typing import Any

from django import template

from messaging.events.text import plural
from walkthrough.chapters import CHAPTERS, FOLDER
from walkthrough.exercises.book import EXERCISES
from walkthrough.script import slices
from walkthrough.script.chapter import Chapter

register = template.Library()
#: Lines of a program or a diff that stand open. More would hide the chapter's first step, so they are folded.
MOST_OPEN = 20


@register.inclusion_tag("walkthrough/_what_changed.html")
def what_changed(chapter: Chapter) -> dict[str, Any]:
    """The diff between this chapter's slice and the one before; for the first chapter the whole slice."""
    place = CHAPTERS.index(chapter)
    after, before = _slice(chapter), _slice(CHAPTERS[place - 1]) if place else None
    whole = slices.whole(after)
    lines = slices.changes(before, after) if before else whole
    return {
        "slice": after,
        "lines": lines,
        "size": _size(lines),
        "open": len(lines) <= MOST_OPEN,
        "notes": plural(len(after.callouts), "note"),
        "before": CHAPTERS[place - 1] if place else None,
        "whole": whole if before else [],
    }


def _size(lines: list[slices.Line]) -> str:
    signs = [line.sign for line in lines]
    return f"{plural(signs.count('+'), 'line')} added, {signs.count('-')} removed"


@register.inclusion_tag("walkthrough/_exercise_link.html")
def exercise_of(chapter: Chapter) -> dict[str, Any]:
    """The link to the chapter's exercise, if it has one."""
    return {"exercise": next((one for one in EXERCISES if one.number == chapter.number), None)}


def _slice(chapter: Chapter) -> slices.Slice:
    return slices.load(FOLDER / f"c{chapter.number:02}_{chapter.slug.replace('-', '_')}")
