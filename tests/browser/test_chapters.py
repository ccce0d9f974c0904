"""Every chapter runs by its buttons on the real system. Every check is as expected, and every long wait is explained."""

import pytest
from playwright.sync_api import Page

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from tests.browser.steps import STEP, card, ended, press
from walkthrough.chapters import CHAPTERS
from walkthrough.questions import CLOSING, QUESTIONS
from walkthrough.script.chapter import Chapter, Step
from walkthrough.script.player import SETTING
from walkthrough.script.transcript import ON_PURPOSE, Result

#: Seconds after which a reader has to be told what the step waits for.
LONG = 5
#: What a step says that breaks something, after a right guess and after a wrong one.
AMBER = {Result.PREDICTED, ON_PURPOSE}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: f"{one.number}-{one.slug}")
def test_a_chapter_by_its_buttons(page: Pages, chapter: Chapter) -> None:
    tab = page.page
    tab.goto(f"/chapters/{chapter.number}/")
    assert tab.locator("h1").inner_text() == chapter.title
    assert played(tab, SETTING) == Result.HOLDS
    results = [walked(tab, step) for step in chapter.steps]
    assert AMBER & {*results} or chapter.number in (4, 6)  # there everything that breaks is caught
    assert tab.locator("#finished").inner_text() == "Every check of this chapter is as expected."
    _shows_its_own_figures(page, chapter)
    assert_accessible(tab)
    page.keep(f"chapter-{chapter.number:02}")


def walked(tab: Page, step: Step) -> str:
    """Guess the first option, play the step, and look at its outcome; returns its result."""
    options = step.prediction.options if step.prediction else {}
    result = played(tab, step.name, next(iter(options), ""))
    assert result in {Result.HOLDS} | AMBER, card(tab, step.name).inner_text()
    assert card(tab, step.name).locator(".check").count() > 0
    if options:
        said, was = (card(tab, step.name).locator("dd").nth(at).inner_text() for at in (0, 1))
        assert said.startswith(next(iter(options.values())).replace("`", "")[:20])
        assert ("you were right" in was) is ("not this time" not in said)
        assert result != (ON_PURPOSE if "you were right" in was else Result.PREDICTED)
    return result


#: True when the step has ended. Until then it collects what the page says that the step waits for.
OVER = """name => {
  const card = document.getElementById(`step-${name}`), waits = card.querySelector(".waits")?.textContent;
  if (waits) (window.waits ??= new Set()).add(waits);
  return card.dataset.state === "played" && !card.dataset.old;
}"""


def played(tab: Page, name: str, guess: str = "") -> str:
    """Press a step's button and wait for its result. If it takes long, it must have said what it waits for."""
    tab.evaluate("window.waits = new Set()")
    press(tab, name, guess)
    tab.wait_for_function(OVER, arg=name, polling=100, timeout=STEP)
    waits = tab.evaluate("[...window.waits]")
    seconds = float(card(tab, name).locator(".ran-for").inner_text().split()[1])
    assert seconds < LONG or waits, f"{name} took {seconds} s and never said what it waited for."
    return ended(tab, name)


def _shows_its_own_figures(page: Pages, chapter: Chapter) -> None:
    """What was just played is in the last chapter's table of answers, if a question leads to this chapter."""
    options = [option for question in QUESTIONS for option in question.options if option.chapter == chapter.number]
    if not options:
        return
    tab = page.context.new_page()
    tab.goto(f"/chapters/{CLOSING}/")
    for option in options:
        row = tab.locator(".answers tr", has=tab.get_by_role("link", name=option.title))
        before, after = option.figure.split("{seen}")
        figure = row.locator(".own").inner_text()
        assert figure.startswith(before), figure
        assert len(figure) > len(before + after), figure
        assert "not played yet" not in figure
        assert row.locator(".tag.bad").count() == 0
    tab.close()
