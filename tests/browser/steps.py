"""A chapter's step in a browser: guess, press, and what came of it."""

from playwright.sync_api import Locator, Page, expect

#: Milliseconds that a step may take on a slow machine.
STEP = 120_000


def card(tab: Page, name: str) -> Locator:
    return tab.locator(f"#step-{name}")


def press(tab: Page, name: str, guess: str = "") -> None:
    """Press the step's button, with this guess; without one if the step asks and none is given."""
    expect(tab.locator(f"#play-{name}")).to_be_enabled()
    if guess:
        card(tab, name).locator(f"input[value={guess}]").check()
    card(tab, name).evaluate("one => { one.dataset.old = 'yes' }")  # what is played before isn't what comes of this press
    asks = not guess and tab.locator(f"#skip-{name}").count()
    tab.click(f"#skip-{name}" if asks else f"#play-{name}")


def ended(tab: Page, name: str) -> str:
    """The step's result in words, when it has one."""
    tab.locator(f"#step-{name}[data-state=played]:not([data-old])").wait_for(timeout=STEP)
    return card(tab, name).locator(".act > .tag").inner_text()
