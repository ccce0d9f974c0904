"""What tests press in a browser: a chapter's step, with its guess and what came of it, and the lab's large repair."""

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


def mend(tab: Page) -> None:
    """Press "Repair everything" in the lab, and wait for its end: the page says before that nothing is broken any more."""
    tab.click("#mend-everything")
    expect(tab.locator("#said")).to_contain_text("All faults are off", timeout=STEP)
    expect(tab.get_by_text("Nothing is broken")).to_be_visible(timeout=STEP)
