"""A step in a browser: guess, press, wait and see, by keyboard and without JavaScript; and the reader never loses the place."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from tests.browser.steps import STEP, card, ended, press
from walkthrough.chapters import chapter

CHAPTER = chapter(3)
FIRST, SECOND = (step.name for step in CHAPTER.steps[:2])
IN_VIEW = "one => { const {top, bottom} = one.getBoundingClientRect(); return top >= 0 && bottom <= innerHeight }"
TOP = "one => one.getBoundingClientRect().top"


@pytest.fixture
def tab(page: Pages) -> Page:
    """Chapter 3, on stage."""
    page.page.goto(f"/chapters/{CHAPTER.number}/")
    press(page.page, "stage")
    assert ended(page.page, "stage") == "holds"
    return page.page


def tab_to(tab: Page, element: str, most: int = 80) -> None:
    """Press the Tab key until this element has the focus."""
    for _ in range(most):
        tab.keyboard.press("Tab")
        if tab.evaluate("([element]) => document.activeElement.matches(element)", [element]):
            return
    raise AssertionError(f"{element} isn't reached by {most} times Tab.")


def test_by_keyboard_alone_a_reader_guesses_plays_and_is_led_to_the_outcome_and_on(page: Pages) -> None:
    tab = page.page
    tab.goto(f"/chapters/{CHAPTER.number}/")
    tab_to(tab, "#play-stage")
    tab.keyboard.press("Enter")
    expect(tab.locator("#title-stage")).to_be_focused()  # while it runs, too
    assert ended(tab, "stage") == "holds"
    expect(tab.locator("#title-stage")).to_be_focused()
    tab_to(tab, "#next a")
    tab.keyboard.press("Enter")
    expect(tab.locator(f"#title-{FIRST}")).to_be_focused()
    tab_to(tab, f"#step-{FIRST} [type=radio]", most=3)
    tab.keyboard.press("ArrowDown")
    expect(card(tab, FIRST).locator("[type=radio]").nth(1)).to_be_checked()
    tab_to(tab, f"#play-{FIRST}", most=2)
    tab.keyboard.press("Enter")
    expect(card(tab, FIRST)).to_have_attribute("data-state", "running")
    expect(card(tab, FIRST)).to_contain_text("You said: The suspension, twice")
    expect(card(tab, FIRST).locator(".elapsed")).to_have_text(re.compile(r"\d+ s of usually \d+ s"))
    assert ended(tab, FIRST) == "fails, on purpose"
    expect(tab.locator(f"#title-{FIRST}")).to_be_focused()
    assert tab.locator(f"#title-{FIRST}").evaluate(IN_VIEW)
    expect(tab.locator("#next a")).to_have_attribute("href", f"#title-{SECOND}")


def test_without_a_guess_the_button_waits_for_one_and_the_other_button_does_not(tab: Page) -> None:
    tab.click(f"#play-{FIRST}")
    expect(card(tab, FIRST).locator("[type=radio]").first).to_be_focused()
    expect(card(tab, FIRST)).to_have_attribute("data-state", "next")
    tab.click(f"#skip-{FIRST}")
    assert ended(tab, FIRST) == "fails, as predicted"
    expect(card(tab, FIRST).locator("dt")).to_have_text(["It was"])


def test_guess_and_outcome_are_there_after_a_reload_and_a_wrong_guess_is_grey(page: Pages, tab: Page) -> None:
    press(tab, FIRST, "once")
    assert ended(tab, FIRST) == "fails, on purpose"
    for _ in range(2):
        expect(card(tab, FIRST).locator("dd").nth(0)).to_have_text("The suspension, a little later not this time")
        expect(card(tab, FIRST).locator("dd").nth(1)).to_have_text("Nothing")
        tab.reload()
    colour = "one => getComputedStyle(one).color"
    grey, red = card(tab, FIRST).locator(".tag.plain"), tab.locator("#step-kill-relay .tag.bad")
    assert grey.evaluate(colour) == tab.locator(".soft").first.evaluate(colour) != red.evaluate(colour)
    amber = card(tab, FIRST).locator(".check.predicted .tag").first
    expect(amber).to_have_text("fails, on purpose")
    expect(amber).to_have_class(re.compile(r"\bopen\b"))
    assert_accessible(tab)
    page.keep("steps")


def test_earlier_results_fold_and_while_a_step_runs_the_bar_below_counts_the_seconds(page: Pages, tab: Page) -> None:
    press(tab, FIRST, "nothing")
    ended(tab, FIRST)
    card(tab, SECOND).scroll_into_view_if_needed()
    card(tab, SECOND).locator("[type=radio]").first.check()
    before = card(tab, SECOND).evaluate(TOP)
    tab.click(f"#play-{SECOND}")
    expect(card(tab, FIRST).locator("details")).to_have_count(1)
    assert abs(card(tab, SECOND).evaluate(TOP) - before) < 2
    assert ended(tab, SECOND) == "fails, on purpose"
    assert tab.locator(f"#title-{SECOND}").evaluate(IN_VIEW)
    card(tab, FIRST).locator("summary").first.click()
    press(tab, "outbox")
    ended(tab, "outbox")
    expect(card(tab, FIRST).locator("details")).to_have_attribute("open", "")  # a reader who opened it finds it open
    press(tab, "kill-relay", "once")
    expect(tab.locator("#next button")).to_be_disabled()
    expect(tab.locator("#next p")).to_contain_text("Running: Kill the relay, twice")
    expect(tab.locator("#next button")).to_have_text(re.compile(r"^[1-9]\d*\ss$"))
    expect(card(tab, "kill-relay").locator("progress")).to_be_visible()
    assert_accessible(tab)
    page.keep("step-running")
    assert ended(tab, "kill-relay") == "holds"


def test_after_the_last_step_the_bar_opens_the_next_chapter(page: Pages) -> None:
    tab, first = page.page, chapter(0)
    tab.goto("/chapters/0/")
    press(tab, "stage")
    ended(tab, "stage")
    for step in first.steps:
        press(tab, step.name)
        ended(tab, step.name)
    expect(tab.locator("#next p a")).to_have_attribute("href", "/chapters/3/")
    tab.click("#next .button")
    expect(tab).to_have_url(re.compile(r"/chapters/1/$"))


def test_without_javascript_a_step_asks_and_the_page_comes_back_at_its_outcome(page: Pages, tab: Page) -> None:
    assert page.context.browser
    context = page.context.browser.new_context(java_script_enabled=False, base_url=page.address)
    plain = context.new_page()
    plain.goto(f"/chapters/{CHAPTER.number}/")
    plain.click("#next a")
    expect(plain.locator(f"#title-{FIRST}")).to_be_focused()
    plain.click(f"#play-{FIRST}")
    expect(card(plain, FIRST)).to_have_attribute("data-state", "next")  # the browser asks for a guess
    card(plain, FIRST).locator("input[value=nothing]").check()
    plain.click(f"#play-{FIRST}", timeout=STEP)
    assert ended(plain, FIRST) == "fails, as predicted"
    assert plain.url.endswith(f"/chapters/{CHAPTER.number}/#title-{FIRST}")
    expect(plain.locator(f"#title-{FIRST}")).to_be_focused()
    expect(card(plain, FIRST).locator("dd").nth(1)).to_have_text("Nothing you were right")
    plain.click(f"#skip-{SECOND}", timeout=STEP)
    assert ended(plain, SECOND) == "fails, as predicted"
    expect(card(plain, SECOND).locator("dt")).to_have_text(["It was"])
    context.close()
