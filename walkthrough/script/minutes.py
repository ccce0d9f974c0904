"""How many minutes a chapter takes: its words at a reading speed, the seconds that its steps run, and a pause for each step.

Play all chapters with `manage.py tour --yes`; then `python -m walkthrough.script.minutes` writes the words that they show to
`words.json`, and the seconds of their steps to `seconds.json`.
"""

import json
import os
from functools import cache
from pathlib import Path

from walkthrough.questions import CLOSING, QUESTIONS
from walkthrough.script import code_listing, usual, words
from walkthrough.script.chapter import Chapter

#: The speed of readers who learn from a text, not the 300 of easy reading (Carver 1990, Reading Rate).
WORDS_PER_MINUTE = 200
#: For the reader to guess, to press the button and to find the result. This is an estimate.
PAUSE_SECONDS = 10
#: Chapter to the words that it shows: its page, and the results of its steps.
MEASURED = Path(__file__).with_name("words.json")


def minutes(chapter: Chapter) -> int:
    """The minutes for a chapter, by the rule above."""
    waits = usual.measured(chapter.number) + PAUSE_SECONDS * (1 + len(chapter.steps))
    return max(1, round(_measured()[str(chapter.number)] / WORDS_PER_MINUTE + waits / 60))


def page(chapter: Chapter) -> int:
    """The words of a chapter's page before a step is played: texts, buttons, code, and the last chapter's table of answers."""
    code = (code_listing.shown(listing).text for listing in chapter.listings)
    answers = (text for one in QUESTIONS for text in one.texts()) if chapter.number == CLOSING else ()
    return words.count([*words.prose(chapter), *words.buttons(chapter), *code, *answers])


def measure() -> dict[str, int]:
    """Count the words of each chapter. Raises `SystemExit` if a step isn't played, or failed."""
    from walkthrough.chapters import CHAPTERS
    from walkthrough.script import player

    found = {}
    for chapter in CHAPTERS:
        played = player.progress(chapter).played
        if len(played) <= len(chapter.steps) or not all(step.green for step in played):
            raise SystemExit(f"Play every step of chapter {chapter.number} first: manage.py tour --chapter {chapter.number}")
        shown = words.count(words.outputs(entry for step in played for entry in step.entries))
        found[str(chapter.number)] = page(chapter) + shown
    return found


@cache
def _measured() -> dict[str, int]:
    found: dict[str, int] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    MEASURED.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    usual.write_medians()
