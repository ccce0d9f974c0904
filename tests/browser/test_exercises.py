"""The exercises and what changed in a chapter, in a browser: accessible, at every width, by keyboard, and without JavaScript."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from walkthrough.exercises import book

SEVENTH = book.exercise(7)
#: Milliseconds that a check may take while other tests run.
CHECKING = 60_000


def mine(page: Pages) -> Path:
    """The reader's files of exercise 7, in the folder of the running system."""
    return Path(page.run.environment["VAR_DIR"]) / "exercises" / SEVENTH.name


def test_the_list_and_an_exercise_are_accessible_and_fit(page: Pages) -> None:
    tab = page.page
    tab.goto("/exercises/")
    expect(tab.get_by_role("link", name="Follow one more field")).to_be_visible()
    assert_accessible(tab)
    page.keep("exercises")
    tab.get_by_role("link", name="Follow one more field").click()
    expect(tab.get_by_role("heading", level=1, name="Follow one more field")).to_be_visible()
    for one in tab.locator("details > summary").all():
        one.click()
    assert_accessible(tab)
    page.keep("exercise")


def test_an_exercise_is_checked_by_keyboard_without_javascript(page: Pages) -> None:
    context = page.context.browser.new_context(java_script_enabled=False, base_url=page.address)  # type: ignore[union-attr]
    tab = context.new_page()
    tab.set_default_timeout(CHECKING)
    tab.goto("/exercises/7/")
    expect(tab.get_by_text("Hide the solution")).to_have_count(0)
    tab.get_by_role("button", name="Check", exact=True).focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("Not yet: 3 of 9 claims hold.")).to_be_visible(timeout=CHECKING)
    expect(tab.get_by_text("silent_changes finds their users.")).to_be_visible()
    shutil.copytree(SEVENTH.solution, mine(page), dirs_exist_ok=True)
    tab.get_by_role("button", name="Check again").focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("Done: all 9 claims hold.")).to_be_visible(timeout=CHECKING)
    tab.get_by_role("link", name="Show the solution").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#solution").get_by_text("version__gt").first).to_be_visible()
    context.close()


@pytest.mark.parametrize("number", [0, 8])
def test_what_changed_is_accessible_and_scrolls_in_its_own_box(page: Pages, number: int) -> None:
    tab = page.page
    tab.set_viewport_size({"width": 420, "height": 900})
    tab.goto(f"/chapters/{number}/")
    box = tab.locator("pre.diff").first
    expect(box).to_be_hidden()
    tab.locator(".fold > summary").click()
    expect(box).to_be_visible()
    assert box.evaluate("one => one.scrollWidth > one.clientWidth")
    box.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.querySelector('pre.diff').scrollLeft > 0")
    assert tab.evaluate("document.documentElement.scrollWidth") == 420
    assert_accessible(tab)
