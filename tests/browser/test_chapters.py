"""Every chapter runs by its buttons on the real system, and every check is green."""

import pytest

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from walkthrough.chapters import CHAPTERS
from walkthrough.questions import CLOSING, QUESTIONS
from walkthrough.script.chapter import Chapter
from walkthrough.script.player import SETTING

#: Milliseconds that a step may take on a slow machine.
STEP = 120_000


@pytest.mark.timeout(400)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: f"{one.number}-{one.slug}")
def test_a_chapter_by_its_buttons(page: Pages, chapter: Chapter) -> None:
    tab = page.page
    tab.goto(f"/chapters/{chapter.number}/")
    assert tab.locator("h1").inner_text() == chapter.title
    for name in (SETTING, *(step.name for step in chapter.steps)):
        tab.click(f"#play-{name}", timeout=10_000)
        step = tab.locator(f"#step-{name}")
        step.locator(".act > .tag").wait_for(timeout=STEP)
        assert step.locator(".act > .tag").inner_text() == "green", step.inner_text()
        assert step.locator(".check").count() > 0
    assert tab.locator("#finished").inner_text() == "Every check of this chapter is green."
    _shows_its_own_figures(page, chapter)
    assert_accessible(tab)
    page.keep(f"chapter-{chapter.number:02}")


def _shows_its_own_figures(page: Pages, chapter: Chapter) -> None:
    """What was just played is in the last chapter's table of answers."""
    tab = page.context.new_page()
    tab.goto(f"/chapters/{CLOSING}/")
    for option in (option for question in QUESTIONS for option in question.options if option.chapter == chapter.number):
        row = tab.locator(".answers tr", has=tab.get_by_role("link", name=option.title))
        before, after = option.figure.split("{seen}")
        figure = row.locator(".own").inner_text()
        assert figure.startswith(before), figure
        assert len(figure) > len(before + after), figure
        assert "not played yet" not in figure
        assert row.locator(".tag.bad").count() == 0
    tab.close()
