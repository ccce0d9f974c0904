"""The living picture in a browser: dots travel when a user changes, parts explain themselves, and it reads without JavaScript."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from tests.browser.steps import mend

PATIENCE = 45_000
#: The dots that were ever seen, with the places they passed, by outcome: a dot lives for two seconds.
WATCH = """() => {
  window.seen = {};
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.localName !== "use") continue;
      (window.seen[target.dataset.outcome] ||= []).push(target.getAttribute("transform"));
    }
  }).observe(document.body, { attributes: true, attributeFilter: ["transform"], subtree: true });
}"""


def part(tab: Page, name: str) -> Locator:
    return tab.locator(f".part[data-part={name}]:visible")


def mended(page: Pages) -> Page:
    """The lab with nothing broken."""
    tab = page.page
    tab.goto("/lab/")
    mend(tab)
    return tab


def suspend(tab: Page) -> None:
    tab.locator("button.suspend").first.click()


def test_a_dot_travels_when_a_user_changes(page: Pages) -> None:
    tab = mended(page)
    tab.evaluate(WATCH)
    applied = tab.locator(".flow-legend li", has_text="applied")
    before = int(applied.locator("b").inner_text().replace(",", ""))
    suspend(tab)
    tab.wait_for_function("() => new Set(window.seen.applied).size > 5", timeout=PATIENCE)
    expect(applied.locator("b")).to_have_text(f"{before + 1:,}")
    expect(tab.locator(".dots use")).to_have_count(0, timeout=PATIENCE)
    expect(tab.locator(".flow-last")).to_contain_text("User suspended")
    expect(tab.locator(".flow-last")).to_contain_text("applied after")


def test_a_duplicate_is_a_dot_of_its_own_form(page: Pages) -> None:
    tab = mended(page)
    tab.click("#fault-duplicate")
    expect(tab.locator("#fault-duplicate")).to_have_attribute("aria-checked", "true", timeout=PATIENCE)
    tab.evaluate(WATCH)
    suspend(tab)
    tab.wait_for_function("() => window.seen.duplicate && window.seen.applied", timeout=PATIENCE)
    mended(page)


def test_with_reduced_motion_a_dot_appears_where_it_ended(page: Pages) -> None:
    page.page.emulate_media(reduced_motion="reduce")
    tab = mended(page)
    tab.evaluate(WATCH)
    suspend(tab)
    tab.wait_for_function("() => window.seen.applied", timeout=PATIENCE)
    expect(tab.locator(".dots use")).to_have_count(0, timeout=PATIENCE)
    assert tab.evaluate("new Set(window.seen.applied).size") == 1


def test_a_stopped_relay_is_seen_as_such_with_the_events_that_wait(page: Pages) -> None:
    tab = mended(page)
    tab.click("#stop-relay-users")
    relay = part(tab, "relay")
    expect(relay).to_have_attribute("aria-label", re.compile(r"relay: stopped, since \d\d:\d\d:\d\d"), timeout=PATIENCE)
    suspend(tab)
    expect(part(tab, "outbox")).to_have_attribute("aria-label", "outbox: 1, waiting; nobody sends them", timeout=PATIENCE)
    expect(tab.locator(".charts text.mark:visible", has_text="relay-users stopped").first).to_be_visible(timeout=PATIENCE)
    page.keep("flow-stopped")
    assert_accessible(tab)
    mended(page)
    expect(relay).to_have_attribute("aria-label", "relay: runs", timeout=PATIENCE)


def test_a_broker_that_is_away_is_seen_as_such(page: Pages) -> None:
    tab = mended(page)
    tab.click("#stop-broker")
    expect(part(tab, "queue")).to_have_attribute(
        "aria-label", re.compile("queue: away, the broker is away, since"), timeout=PATIENCE
    )
    expect(part(tab, "relay")).to_have_attribute("aria-label", "relay: waits", timeout=PATIENCE)
    mended(page)
    expect(part(tab, "queue")).to_have_attribute("aria-label", re.compile("queue: 0"), timeout=PATIENCE)


def test_parts_by_the_keyboard_in_the_order_of_the_road(page: Pages) -> None:
    tab = mended(page)
    part(tab, "rows").focus()
    seen = ["rows"]
    for _ in range(10):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate("document.activeElement.dataset.part"))
    assert seen == ["rows", "ledger", "outbox", "relay", "queue", "worker", "inbox", "copy", "api", "tend", "comparison"]


def test_a_strip_opens_and_escape_closes_it(page: Pages) -> None:
    tab = mended(page)
    strip = tab.locator("#flow-strip")
    part(tab, "relay").focus()
    tab.keyboard.press("Enter")
    expect(strip).to_contain_text("relay: the program that sends recorded events to the queues", timeout=PATIENCE)
    expect(part(tab, "relay")).to_be_focused()
    strip.get_by_role("link", name="Glossary: relay").focus()
    with tab.expect_response("**/flow/?*", timeout=PATIENCE):  # the next look keeps the focus and the strip
        pass
    expect(strip.get_by_role("link", name="Glossary: relay")).to_be_focused()
    tab.keyboard.press("Escape")
    expect(strip).to_be_empty()
    expect(part(tab, "relay")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(strip).not_to_be_empty(timeout=PATIENCE)
    part(tab, "relay").click()
    expect(strip).to_be_empty(timeout=PATIENCE)
    part(tab, "queue").click()
    strip.get_by_role("link", name="messaging/transport/queues.py").click()
    expect(tab.get_by_role("heading", name="queue")).to_be_visible()


def test_without_javascript_it_is_drawn_and_its_parts_are_links(page: Pages) -> None:
    context = page.context.browser.new_context(java_script_enabled=False, base_url=page.address)  # type: ignore[union-attr]
    tab = context.new_page()
    tab.goto("/lab/")
    part(tab, "tend").click()
    expect(tab).to_have_url(re.compile(r"/lab/\?part=tend#flow-strip"))
    expect(tab.locator("#flow-strip")).to_contain_text("the program that keeps copies complete")
    context.close()


@pytest.mark.parametrize("number", [0, 3, 7, 12])
def test_a_chapter_s_picture_fits_and_is_accessible(page: Pages, number: int) -> None:
    tab = page.page
    tab.goto(f"/chapters/{number}/")
    expect(tab.locator(".flow .part:visible").first).to_be_visible()
    assert_accessible(tab)
    page.keep(f"flow-chapter-{number}")


@pytest.mark.parametrize("address", ["/lab/", "/chapters/7/"])
def test_its_text_is_never_smaller_than_13_pixels_and_stays_in_its_part(page: Pages, address: str) -> None:
    tab = page.page
    tab.goto(address)
    for width in (1400, 1279, 1100, 1000, 700, 420, 320):
        tab.set_viewport_size({"width": width, "height": 900})
        found = tab.evaluate(
            """() => {
              const svg = [...document.querySelectorAll(".flow-svg")].filter((one) => one.getClientRects().length);
              const scale = svg[0].getBoundingClientRect().width / svg[0].viewBox.baseVal.width;
              const texts = [...svg[0].querySelectorAll("text")];
              const outside = [...svg[0].querySelectorAll(".part")].flatMap((part) => {
                const edge = part.querySelector(".edge").getBoundingClientRect();
                return [...part.querySelectorAll("text:not(.bad)")].filter((text) => {
                  const place = text.getBoundingClientRect();
                  return place.left < edge.left || place.right > edge.right;
                }).map((text) => text.textContent);
              });
              const sizes = texts.map((text) => parseFloat(getComputedStyle(text).fontSize) * scale);
              return { shown: svg.length, smallest: Math.min(...sizes), outside };
            }"""
        )
        assert found["shown"] == 1, f"{address} at {width}"
        assert found["smallest"] >= 12.99, f"{address} at {width}: {found}"
        assert found["outside"] == [], f"{address} at {width}"
