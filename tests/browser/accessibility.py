"""Checks a page with axe-core: WCAG 2 A and AA."""

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page

ALL = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
#: The rules that look at colours. The others find the same in either mode.
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


def assert_accessible(page: Page) -> None:
    """Check that there is no violation in light and in dark mode. A document gets the script once."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    for scheme, rules in (("light", ALL), ("dark", COLOURS)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = AxeResults(page.evaluate("options => axe.run(options)", {"runOnly": rules, "resultTypes": ["violations"]}))
        assert found.violations_count == 0, f"{page.url}, {scheme}:\n{found.generate_report()}"
    page.emulate_media(color_scheme="light")
