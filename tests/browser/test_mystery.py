"""A mystery by the keyboard alone, on the running system."""

import re

from playwright.sync_api import expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from walkthrough.mystery import choice

PATIENCE = 120_000
#: Its fault is a stopped program, so that the lab shows it.
SEED = next(seed for seed in range(100) if choice.cause_of(seed).name == "relay-stopped")


def test_a_mystery_is_solved_by_the_keyboard_alone(page: Pages) -> None:
    tab = page.page
    tab.goto("/mystery/")
    assert_accessible(tab)
    page.keep("mystery-start")
    tab.locator("#seed").focus()
    tab.keyboard.type(str(SEED))
    tab.keyboard.press("Enter")
    expect(tab.locator("#ticket-title")).to_be_focused(timeout=PATIENCE)
    assert_accessible(tab)
    page.keep("mystery")

    _choose(page, "cause", next(one.name for one in choice.causes_of(SEED) if one.name != "relay-stopped"))
    _choose(page, "repair", next(one.name for one in choice.repairs_of(SEED) if one.name != "start-relay"))
    tab.keyboard.press("Enter")  # in a form's field it presses the form's button
    expect(tab.locator("#answer-title")).to_be_focused(timeout=PATIENCE)
    expect(tab.locator(".checks .fails").first).to_contain_text("Every program runs")
    assert_accessible(tab)
    page.keep("mystery-answer")

    tab.locator("#hint").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator(".hints li")).to_have_count(1)
    tab.set_viewport_size({"width": 420, "height": 900})
    assert_accessible(tab)
    tab.set_viewport_size({"width": 1400, "height": 900})

    tab.goto("/lab/")
    expect(tab.locator(".broken")).to_contain_text("relay-users stopped")
    tab.goto("/mystery/")
    expect(tab.locator("#numbers")).to_contain_text(re.compile(r"looks\s*1\b"))

    _choose(page, "cause", "relay-stopped")
    _choose(page, "repair", "start-relay")
    tab.keyboard.press("Enter")
    expect(tab.locator("#end-title")).to_be_focused(timeout=PATIENCE)
    expect(tab.locator("#end-title")).to_have_text(re.compile(r"Solved after \d+ s and 1 look$"))
    assert_accessible(tab)
    page.keep("mystery-end")
    tab.goto("/lab/")
    expect(tab.get_by_text("Nothing is broken")).to_be_visible()


def _choose(page: Pages, name: str, value: str) -> None:
    """Reach a group of radio buttons by Tab, and one of them by the arrows."""
    tab = page.page
    tab.locator(f"input[name={name}]").first.focus()
    wanted = tab.locator(f"input[name={name}][value={value}]")
    tab.keyboard.press("Space")
    for _ in range(choice.OFFERED):
        if wanted.is_checked():
            break
        tab.keyboard.press("ArrowDown")
    expect(wanted).to_be_focused()
