"""A running step shows on every page and in every tab, even after the page that started it is closed."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from config.env import ROOT
from tests import warm
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from tests.browser.steps import STEP, ended
from tests.probes import wait_for

#: Milliseconds for one or two refreshes.
SOON = 15_000


@pytest.fixture
def held(page: Pages) -> Iterator[Callable[[], None]]:
    """Block the setting of a stage: it waits for billing's worker, which is frozen."""
    worker = page.run.pid_of("worker-billing")

    def go_on() -> None:
        with suppress(ProcessLookupError):  # the setting kills it after a while
            os.kill(worker, signal.SIGCONT)

    os.kill(worker, signal.SIGSTOP)
    yield go_on
    go_on()


def runs(tab: Page) -> None:
    """The chapter's page shows that its stage is being set."""
    expect(tab.locator("#step-stage .playing")).to_contain_text("Stops faults, starts processes", timeout=SOON)
    expect(tab.locator("[id^=play-]:not(:disabled)")).to_have_count(0)
    expect(tab.locator("#step-stage")).to_have_attribute("data-state", "running")


def test_every_tab_shows_the_step_that_runs_and_how_it_ended(page: Pages, held: Callable[[], None]) -> None:
    tab, before, elsewhere, lab = page.page, *(page.context.new_page() for _ in range(3))
    for one, path in ((tab, "/chapters/0/"), (before, "/chapters/0/"), (elsewhere, "/"), (lab, "/lab/")):
        one.goto(path)
    tab.click("#play-stage")
    runs(tab)
    runs(before)
    tab.reload()
    runs(tab)
    after = page.context.new_page()
    after.goto("/chapters/0/")
    runs(after)
    other = page.context.new_page()
    other.goto("/chapters/1/")
    expect(other.locator("[id^=play-]:not(:disabled)")).to_have_count(0)
    for one in (elsewhere, lab, other):
        expect(one.locator("#bar.running a")).to_have_text("Chapter 0: Set the stage", timeout=SOON)
        expect(one.locator("#bar .seconds")).to_have_text(re.compile(r"^\d+ s$"))
    assert_accessible(tab)
    page.keep("playing")
    held()
    for one in (tab, before, after):
        assert ended(one, "stage") == "holds"
        expect(one.locator("#play-stage")).to_be_enabled()
        expect(one.locator(".playing")).to_have_count(0)
    for one in (elsewhere, lab, other, tab):
        expect(one.locator("#bar.green a")).to_have_text("Chapter 0: Set the stage", timeout=SOON)
    expect(other.locator("#play-stage")).to_be_enabled(timeout=SOON)
    elsewhere.click("#bar a")
    assert elsewhere.url.endswith("/chapters/0/#step-stage")
    elsewhere.goto("/monolith/")
    expect(elsewhere.locator("#bar.green")).to_be_visible()
    page.page = elsewhere
    page.keep("outcome")


def test_a_step_of_the_terminal_is_seen_too_and_is_interrupted_when_its_process_dies(page: Pages, held: Callable[[], None]) -> None:
    tab = page.page
    tab.goto("/chapters/0/")
    words = ["manage.py", "tour", "--chapter", "0", "--yes"]
    tour = warm.start(words, cwd=ROOT, env=page.run.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        expect(tab.locator("#bar.running")).to_be_visible(timeout=30_000)
        runs(tab)
    finally:
        tour.kill()
        tour.wait()
    expect(tab.locator("#bar.interrupted")).to_contain_text("Set the stage again.", timeout=SOON)
    expect(tab.locator("#step-stage .act > .tag")).to_have_text("interrupted", timeout=SOON)
    expect(tab.locator("#step-stage .notice")).to_contain_text("Set the stage again, then play on.")
    assert_accessible(tab)
    page.keep("interrupted")
    held()
    tab.click("#play-stage")
    expect(tab.locator("#step-stage .act > .tag")).to_have_text("holds", timeout=STEP)
    expect(tab.locator("#bar.green")).to_be_visible()


def test_the_looks_of_an_open_page_are_no_lines_of_the_log(page: Pages) -> None:
    log = page.run.folder / "log" / "web.log"
    begun = log.stat().st_size
    page.page.goto("/lab/")
    with page.page.expect_response("**/lab/live/"), page.page.expect_response("**/playing/"):
        pass
    page.page.goto("/chapters/1/")
    written = wait_for(
        lambda: (found := log.read_bytes()[begun:].decode()) and "/chapters/1/" in found and found,
        timeout=15,
        what="the page's line",
    )
    assert "GET /lab/ " in str(written)
    assert "GET /lab/live/" not in str(written)
    assert "GET /playing/" not in str(written)
