"""The screenshots of docs/break-it.md, of a running `make run`: `.venv/bin/python docs/screenshots.py [http://127.0.0.1:8000]`.

It plays chapter 4 and breaks things in the lab on the way, and mends them again.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.conftest import ARGUMENTS, NAMES
from tests.browser.steps import ended, press

IMAGES = Path(__file__).parent / "images"
#: The steps that the picture shows, each with a guess where it asks for one.
STEPS = {"stage": "", "follow": "", "storm": "each", "poison": "arrives"}


def chapter(page: Page) -> None:
    """The steps of chapter 4, played."""
    page.goto("/chapters/4/")
    for step, guess in STEPS.items():
        press(page, step, guess)
        ended(page, step)
    page.locator("#steps-title").scroll_into_view_if_needed()
    page.evaluate("window.scrollTo(0, document.querySelector('#steps-title').getBoundingClientRect().top + scrollY - 64)")
    page.screenshot(path=IMAGES / "chapter.png")
    press(page, "discard")  # or the lab would show what is parked
    ended(page, "discard")


def lab(page: Page) -> None:
    """The lab, broken in three ways."""
    page.goto("/lab/")
    for switch, seen in (
        ("#stop-tend-billing", "#start-tend-billing"),
        ("#stop-relay-users", "#start-relay-users"),
        ("#fault-duplicate", "#fault-duplicate[aria-checked=true]"),
        ("#damage-ghost", "tr.drift.ghost"),
        ("#damage-corrupt", "tr.drift.corrupt"),
    ):
        page.click(switch)
        page.locator(seen).first.wait_for(timeout=60_000)
    page.set_viewport_size({"width": 1300, "height": 1480})  # the picture and the switches
    page.evaluate("window.scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.locator(".flow-size:visible").get_by_text("a ring marks what differs").wait_for()
    page.screenshot(path=IMAGES / "lab.png")
    page.click("#mend-everything")
    page.get_by_text("Nothing is broken").wait_for(timeout=60_000)


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, NAMES)), None)
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1300, "height": 1100}, base_url=address)
        chapter(page)
        lab(page)
        browser.close()


if __name__ == "__main__":
    main()
