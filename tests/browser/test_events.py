"""The page of events in a browser: its map fits at every width, and it reads without JavaScript."""

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages

#: Texts of the shown map that are outside their box or the picture, and pairs of texts that overlap, by the browser's own measures.
MISPLACED = """() => {
  const map = [...document.querySelectorAll("svg.map")].find(one => one.getClientRects().length);
  const rect = one => one.getBoundingClientRect();
  const outside = (inner, outer) => inner.left < outer.left - 1 || inner.right > outer.right + 1
    || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
  const texts = [...map.querySelectorAll("text")];
  const place = one => rect(one.closest(".box")?.querySelector("rect") ?? map);
  const found = texts.filter(one => outside(rect(one), place(one))).map(one => one.textContent);
  for (const [at, one] of texts.entries())
    for (const other of texts.slice(at + 1))
      if (overlap(rect(one), rect(other))) found.push(`${one.textContent} / ${other.textContent}`);
  return {count: texts.length, found};
}"""


def test_the_events_are_accessible_and_fit(page: Pages) -> None:
    tab = page.page
    tab.goto("/events/")
    expect(tab.locator("svg.map.large .state", has_text="lag 0").first).to_be_visible()
    assert_accessible(tab)
    page.keep("events")


@pytest.mark.parametrize(("width", "size"), [(1400, "large"), (900, "medium"), (420, "small")])
def test_every_text_of_the_map_is_in_its_place(page: Pages, width: int, size: str) -> None:
    tab = page.page
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto("/events/")
    expect(tab.locator("svg.map:visible")).to_have_count(1)
    expect(tab.locator(f"svg.map.{size}")).to_be_visible()
    measured = tab.evaluate(MISPLACED)
    assert measured["count"] > 8
    assert measured["found"] == []


def test_the_events_read_without_javascript_from_the_navigation(page: Pages) -> None:
    context = page.context.browser.new_context(java_script_enabled=False, base_url=page.address)  # type: ignore[union-attr]
    tab = context.new_page()
    tab.goto("/")
    tab.get_by_role("link", name="Events", exact=True).click()
    expect(tab.get_by_role("img", name="Which context gets events from which")).to_be_visible()
    expect(tab.get_by_role("row", name="status_since").first).to_be_visible()
    context.close()
