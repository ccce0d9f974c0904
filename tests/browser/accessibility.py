"""Checks a page with axe-core: WCAG 2 A and AA."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

OPTIONS = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


def assert_accessible(page: Page) -> None:
    """Check that there is no violation in light and in dark mode."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page, options=OPTIONS)
        assert found.violations_count == 0, f"{page.url}, {scheme}:\n{found.generate_report()}"
    page.emulate_media(color_scheme="light")
