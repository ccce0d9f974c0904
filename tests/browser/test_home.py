"""The home page leads into the chapters, and no page is wider than its window, whatever a user is called."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from walkthrough.chapters import CHAPTERS
from walkthrough.questions import QUESTIONS

LONG = "N" * 200
WIDTHS = (320, 420, 620, 800, 970, 1100, 1400)
PATIENCE = 45_000


def test_the_home_page_is_accessible_and_fits(page: Pages) -> None:
    page.page.goto("/")
    expect(page.page.locator(".question")).to_have_count(len(QUESTIONS))
    assert_accessible(page.page)
    page.keep("home")


def test_the_list_of_chapters_is_accessible_and_fits(page: Pages) -> None:
    page.page.goto("/chapters/")
    expect(page.page.locator(".listed li")).to_have_count(len(CHAPTERS))
    assert_accessible(page.page)
    page.keep("chapters")


def test_the_keyboard_begins_the_short_path_and_an_option_leads_to_its_step(page: Pages) -> None:
    tab = page.page
    tab.goto("/")
    start = tab.locator(".go a.primary")
    for _ in range(20):
        tab.keyboard.press("Tab")
        if start.evaluate("button => button === document.activeElement"):
            break
    expect(start).to_be_focused()
    target = start.get_attribute("href")
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(f"{page.address}{target}")
    tab.goto("/")
    option = QUESTIONS[1].options[0]
    tab.get_by_role("link", name=option.title).click()
    expect(tab.locator(f"#step-{option.step}")).to_be_in_viewport()


def test_the_home_page_reads_without_javascript(page: Pages) -> None:
    context = page.context.browser.new_context(java_script_enabled=False, base_url=page.address)  # type: ignore[union-attr]
    tab = context.new_page()
    tab.goto("/")
    tab.locator(".go a").last.click()
    expect(tab.locator("#steps-title")).to_be_visible()
    context.close()


def test_the_list_beside_a_chapter_comes_after_the_text_on_a_small_screen(page: Pages) -> None:
    tab = page.page
    tab.goto("/chapters/3/")

    def edges(selector: str) -> dict[str, float]:
        found: dict[str, float] = tab.locator(selector).evaluate("one => one.getBoundingClientRect().toJSON()")
        return found

    contents, text = edges(".contents"), edges(".book > main")
    assert contents["right"] <= text["left"]
    assert contents["top"] == text["top"]
    tab.set_viewport_size({"width": 420, "height": 900})
    contents, text = edges(".contents"), edges(".book > main")
    assert text["bottom"] <= contents["top"]


def test_a_story_opens_beside_the_switches(page: Pages) -> None:
    tab = page.page
    tab.goto("/lab/")
    tab.locator(".names a").last.click()
    expect(tab.locator(".story li").first).to_be_in_viewport(timeout=PATIENCE)
    expect(tab.locator("#switches-title")).to_be_in_viewport()
    page.keep("lab-story-near")


@pytest.fixture
def long_named(page: Pages) -> Pages:
    """A user with the longest name is among the newest."""
    page.page.goto("/side-by-side/")
    page.page.fill("#register-email", f"{'m' * 30}{uuid4().hex}@example.org")  # as long as an address may be before its @
    page.page.fill("#register-name", LONG)
    page.page.click("#register-button")
    expect(page.page.locator(".who", has_text=LONG)).to_be_visible(timeout=PATIENCE)
    return page


def test_a_name_of_200_letters_and_a_narrow_window_widen_no_page(long_named: Pages) -> None:
    tab = long_named.page
    tab.goto("/lab/")
    story = tab.locator(".who a", has_text=LONG).get_attribute("href")
    chapters = [f"/chapters/{chapter.number}/" for chapter in CHAPTERS]
    too_wide = []
    for path in ("/", "/chapters/", "/side-by-side/", "/lab/", story, "/events/", "/monolith/", *chapters):
        tab.goto(str(path))
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            if tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                too_wide.append((path, width))
    assert too_wide == []


@pytest.mark.parametrize(("path", "title"), [(f"/nowhere/{'x' * 200}/", "Not found"), ("/register/", "Not done")])
def test_an_error_is_a_page_that_fits_and_leads_on(page: Pages, path: str, title: str) -> None:
    tab = page.page
    tab.goto(path)
    expect(tab.locator("h1")).to_have_text(title)
    assert_accessible(tab)
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width
    tab.get_by_role("link", name="home page").click()
    expect(tab).to_have_url(f"{page.address}/")
    assert re.search(r"40\d", page.errors.pop())  # the console names the status of the page itself
