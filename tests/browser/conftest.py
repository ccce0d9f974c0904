"""A real `make run` with a real browser.

The browser is the system's Chromium or Chrome, or the one that Playwright installed (`playwright install chromium`). The headless
shell comes first, as with Playwright: the same engine without windows, and a page takes a third of the processor. Without a browser
these tests are skipped, with a clear line at the end. With REQUIRE_BROWSER=1, as in CI, that is a failure. With SCREENSHOTS=1 they
leave pictures of their pages.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.running import Run, end

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: No sandbox, because root has none, and nothing that uses the network by itself.
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
#: Screenshots, outside git because var/ is ignored.
SCREENSHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"
#: The console's line about a poll that was open when the page was left; htmx calls that an error.
LEAVING = ("htmx:sendAbort", "htmx:afterRequest", "htmx:sendError")
MISSING = "NO BROWSER: the walkthrough's pages were not tested in one. Install Chromium, or: playwright install chromium"


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run a browser. Until its end this thread has an event loop, so Django refuses queries in it."""
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, NAMES)), None)
        try:
            browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        except Error as error:
            if os.environ.get("REQUIRE_BROWSER"):
                raise
            pytest.skip(f"{MISSING} ({str(error).splitlines()[0]})")
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="package")
def running() -> Iterator[Run]:
    """Run the whole system like a reader. It ends with these tests: its programs look around also when nobody needs them."""
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        run = Run(Path(folder))
        try:
            run.wait_for_line("Everything runs", timeout=120)
            yield run
        finally:
            end(run)


@pytest.fixture
def page(chromium: Browser, running: Run) -> Iterator["Pages"]:
    pages = Pages(chromium, running)
    yield pages
    pages.close()
    assert pages.errors == []


class Pages:
    """A page of the running system, and its console's complaints."""

    def __init__(self, browser: Browser, run: Run) -> None:
        self.run = run
        self.context = browser.new_context(viewport={"width": 1400, "height": 900}, base_url=self.address)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.run.environment['PORT']}"

    def _hear(self, message: Any) -> None:
        if message.type == "error" and not message.text.startswith(LEAVING):
            self.errors.append(message.text)

    def keep(self, name: str) -> None:
        keep(self.page, name)
        self.page.set_viewport_size({"width": 1400, "height": 900})

    def close(self) -> None:
        self.context.close()


def keep(page: Page, name: str) -> None:
    """Nothing may be wider than a wide and a narrow window. Leaves screenshots if asked: one takes as long as ten requests."""
    for width in (1400, 420):
        page.set_viewport_size({"width": width, "height": 900})
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if os.environ.get("SCREENSHOTS"):
            page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)
        assert too_wide <= 0, f"{name} is {too_wide} pixels wider than a window of {width}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if any(MISSING in str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(MISSING, red=True, bold=True)
