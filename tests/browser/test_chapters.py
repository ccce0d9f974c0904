"""Every chapter runs by its buttons on the real system, and every check is green."""

import pytest
from playwright.sync_api import Page

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from walkthrough.chapters import CHAPTERS
from walkthrough.script.chapter import Chapter
from walkthrough.script.player import SETTING

#: Milliseconds that a step may take on a slow machine.
STEP = 120_000


def play(tab: Page, name: str) -> None:
    """Press a step's button on its chapter's page."""
    tab.click(f"#play-{name}", timeout=10_000)
    step = tab.locator(f"#step-{name}")
    step.locator(".act > .tag").wait_for(timeout=STEP)
    assert step.locator(".act > .tag").inner_text() == "green", step.inner_text()
    assert step.locator(".check").count() > 0


@pytest.mark.timeout(400)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: f"{one.number}-{one.slug}")
def test_a_chapter_by_its_buttons(page: Pages, chapter: Chapter) -> None:
    tab = page.page
    tab.goto(f"/chapters/{chapter.number}/")
    assert tab.locator("h1").inner_text() == chapter.title
    for name in (SETTING, *(step.name for step in chapter.steps)):
        play(tab, name)
    assert tab.locator("#finished").inner_text() == "Every check of this chapter is green."
    assert_accessible(tab)
    page.keep(f"chapter-{chapter.number:02}")
