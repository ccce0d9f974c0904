"""The pages around the chapters: their links lead somewhere, they read without JavaScript, and a suspension shows at once."""

import re
from urllib.parse import urljoin

from playwright.sync_api import expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from tests.browser.steps import ended
from walkthrough.chapters import CHAPTERS


def log_in(page: Pages) -> None:
    password = (page.run.folder / "admin-password").read_text().strip()
    page.page.goto("/admin/login/?next=/admin/")
    page.page.fill("#id_username", "admin")
    page.page.fill("#id_password", password)
    page.page.click("[type=submit]")
    expect(page.page.locator("#user-tools")).to_be_visible()


def test_side_by_side_shows_a_suspension_at_billing(page: Pages) -> None:
    tab = page.page
    tab.goto("/side-by-side/")
    row = tab.locator("tbody tr", has=tab.locator("button.suspend")).first
    name = row.locator("th").inner_text().splitlines()[0]
    row.locator("button.suspend").click()
    changed = tab.locator("tbody tr", has_text=name)
    expect(changed.locator(".status.suspended")).to_have_count(2, timeout=10_000)
    assert_accessible(tab)
    page.keep("side-by-side")


def test_no_link_is_broken(page: Pages) -> None:
    log_in(page)
    begin = ["/", "/chapters/", "/side-by-side/", "/lab/", "/events/", *(f"/chapters/{chapter.number}/" for chapter in CHAPTERS)]
    seen: dict[str, int] = {}
    for path in begin:
        html = page.page.request.get(path).text()
        for target in re.findall(r'(?:href|src)="([^"#]+)', html):
            address = urljoin(f"{page.address}{path}", target.replace("&amp;", "&"))
            if address.startswith(page.address) and address not in seen:
                seen[address] = page.page.request.get(address).status
    assert len(seen) > len(begin)
    assert {address: status for address, status in seen.items() if status != 200} == {}


def test_it_reads_without_javascript(page: Pages) -> None:
    context = page.context.browser.new_context(java_script_enabled=False, base_url=page.address)  # type: ignore[union-attr]
    tab = context.new_page()
    tab.goto("/lab/")
    expect(tab.locator("#fault-drop")).to_be_visible()
    tab.goto(f"/chapters/{CHAPTERS[0].number}/")
    tab.click("#play-stage")
    assert ended(tab, "stage") == "holds"
    context.close()
