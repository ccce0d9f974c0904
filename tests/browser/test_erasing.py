"""Erasing can't be undone, so it asks first: in the page, on a page of its own without JavaScript, and in the admin."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from tests.browser.test_pages import log_in

#: Milliseconds for one or two refreshes.
SOON = 15_000


@pytest.fixture
def plain(page: Pages) -> Iterator[Page]:
    """A page without JavaScript."""
    assert page.context.browser
    context = page.context.browser.new_context(java_script_enabled=False, base_url=page.address)
    yield context.new_page()
    context.close()


def first(tab: Page) -> tuple[Locator, Locator]:
    """The first button that erases, and the row of its user."""
    user_id = str(tab.locator("button.erase[id^=erase-]").first.get_attribute("id")).removeprefix("erase-")
    return tab.locator(f"#erase-{user_id}"), tab.locator("tbody tr", has_text=user_id[:8])


@pytest.mark.parametrize("path", ["/side-by-side/", "/lab/"])
def test_the_page_asks_and_goes_on_refreshing_only_when_it_was_answered(page: Pages, path: str) -> None:
    tab = page.page
    tab.goto(path)
    button, row = first(tab)
    dialog = tab.locator("#confirm")
    button.click()
    expect(dialog).to_contain_text("for good? Their name and e-mail address are deleted in every context.")
    expect(dialog.get_by_role("button", name="No", exact=True)).to_be_focused()
    for _ in range(2):
        with tab.expect_response(re.compile("/live/")):
            pass
    if path == "/side-by-side/":
        assert_accessible(tab)
        page.keep("erase")
    tab.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_visible()
    button.click()
    with tab.expect_response(re.compile("/live/")):
        pass
    dialog.get_by_role("button", name="Erase for good").click()
    expect(row.locator(".status.erased").first).to_be_visible(timeout=SOON)
    expect(button).to_have_count(0)


def test_without_javascript_a_page_asks(page: Pages, plain: Page) -> None:
    plain.goto("/side-by-side/")
    button, row = first(plain)
    button.click()
    expect(plain.locator("h1")).to_have_text(re.compile(r"^Erase .+ for good\?$"))
    asked = plain.url
    page.page.goto(asked)
    assert_accessible(page.page)
    page.keep("erase-page")
    plain.get_by_role("link", name="No, keep the user").click()
    plain.goto(asked)
    plain.get_by_role("button", name="Erase for good").click()
    expect(plain.locator("#notice")).to_contain_text("The user is erased.")
    expect(row.locator(".status.erased").first).to_be_visible()


def test_the_admin_asks_with_and_without_javascript(page: Pages, plain: Page) -> None:
    log_in(page)
    plain.context.add_cookies(page.context.cookies())  # type: ignore[arg-type]
    for tab in (page.page, plain):
        tab.goto("/admin/users/user/?status__exact=active")
        box = tab.locator("input.action-select").first
        user_id = str(box.get_attribute("value"))
        box.check()
        tab.select_option("select[name=action]", label="Erase for good")
        tab.locator("button[name=index]").first.click()
        expect(tab.locator("#content")).to_contain_text("Erase 1 user for good?")
        expect(tab.locator("#content")).to_contain_text(user_id)
        if tab is page.page:
            page.keep("erase-admin")
        tab.get_by_role("button", name="Erase for good").click()
        expect(tab.locator(".messagelist")).to_contain_text("1 user erased.")
